"""What is shipped with the app: the list of it (``make sbom``), for whoever has to know what runs."""
