"""What people read: mails and pages, from templates (``templates/``) and catalogues (``locales/``)."""
