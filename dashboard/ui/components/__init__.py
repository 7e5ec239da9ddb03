"""What Streamlit does not have: Python, JavaScript and CSS of each component side by side."""
