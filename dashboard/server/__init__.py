"""What stands in front of the pages: who may ask, what browsers are told, and how much may be sent."""
