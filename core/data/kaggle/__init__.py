"""FER2013 from Kaggle: a download in a process of its own, its credentials, and what is said when it fails."""
