"""The verbs: start, plan, encode a part, merge, publish, fail, notify, clean up. Each may run twice."""

from activities import clean_up, encode_part, fail, merge, notify, plan, publish, start

BLUEPRINTS = (start.bp, plan.bp, encode_part.bp, merge.bp, publish.bp, fail.bp, notify.bp, clean_up.bp)
