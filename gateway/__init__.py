"""A webhook gateway: declarative rules turn inbound webhooks into Intilery commands."""

__version__ = "0.1.0"
