"""The folder that holds everything a query needs."""
