"""The reference of the rules language: its pages, generated from the tables, and the examples that they show."""
