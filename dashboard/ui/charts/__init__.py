"""Charts: data in, figure out. No files, no Streamlit."""
