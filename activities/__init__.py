"""The verbs: plan, encode a part, merge, publish, fail, notify, clean up. Each may run twice and gives the same."""

from activities import clean_up, encode_part, fail, merge, notify, plan, publish

BLUEPRINTS = (plan.bp, encode_part.bp, merge.bp, publish.bp, fail.bp, notify.bp, clean_up.bp)
