"""Known senders: a row of data each, by the kind of business. :mod:`gateway.inbound.presets` is the door to them."""
