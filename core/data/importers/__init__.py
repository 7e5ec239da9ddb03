"""The forms in which data arrives, one importer per form."""
