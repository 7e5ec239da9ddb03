"""What browsers are handed as files."""

BYTE_ORDER_MARK = "\ufeff"


def spreadsheet_csv(text: str) -> bytes:
    """A CSV file as spreadsheets read it: UTF-8 after a byte order mark, without which Excel takes it for the code page
    of its country and shows `Björn` as other characters. Every CSV that a page hands out goes through here; what the
    command line writes to a pipe has no mark."""
    return f"{BYTE_ORDER_MARK}{text}".encode()
