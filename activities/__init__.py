"""The verbs: start, plan, encode a part, merge, publish, fail, notify, announce, deliver, clean up.

Each may run twice and gives the same.
"""

from activities import announce, clean_up, deliver, encode_part, fail, merge, notify, plan, publish, start

BLUEPRINTS = (
    start.bp,
    plan.bp,
    encode_part.bp,
    merge.bp,
    publish.bp,
    fail.bp,
    notify.bp,
    announce.bp,
    deliver.bp,
    clean_up.bp,
)
