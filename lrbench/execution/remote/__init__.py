"""Run trials on other machines that see the folder of results."""
