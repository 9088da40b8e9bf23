"""What the functions share.

errors.py        every error, in one tree
settings/        the settings, who gets in, and where this process runs
services.py      what functions work with, built once per process
catalog/         what an export type is, its columns, the registry, tenants and limits
requests/        what the API takes: bodies, filter values, and the query that is built of them
jobs/            an export's life: record, plan, start, progress, cancelling, retrying, deletion, quotas
durable/         what crosses durable boundaries, instance ids, the client, histories
notifications/   who is notified, through which channel, with which text; links in mails
events/          the outbox: what happened and is still to be announced
webhooks/        endpoints, deliveries, signing, the POST
schedules/       exports that are repeated
retention/       how long things are kept, and the sweepers that remove them
identity/        who calls: tokens, directories, people who left; the app's own identity
audit/           the audit log, its chain and digests, failed sign-ins, the recorder
api/             what the API answers, and the OpenAPI document
observability/   log, metrics, traces, and what none of them may say
sources/         databases, one file each
formats/         file formats, one file each
storage/         blobs and tables
timestamps.py, text.py, locales.py, version.py
"""
