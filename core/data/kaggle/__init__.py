"""FER2013 from Kaggle: the download process, its credentials, and its error messages."""
