"""The root of what the domain refuses. A subject's own errors stand beside the subject and inherit from here."""


class BroadcastError(Exception):
    """Something was refused for a reason an officer can act on.

    Public attributes are facts: `broadcast.web.problems` makes each a field of the problem+json answer (RFC 9457), so they
    hold only what JSON can carry (text, numbers, lists and dictionaries of them). `str(err)` is the sentence for the officer.
    """
