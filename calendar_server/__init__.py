"""The calendar server: Radicale as a WSGI application on SQL, with dispatch."""
