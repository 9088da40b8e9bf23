"""What people read: mails and pages, from templates (``jinja/``) and catalogues (``locales/``)."""
