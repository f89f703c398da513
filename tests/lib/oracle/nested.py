"""nested -- who is below a group, for `nested: flatten`, worked out the slow way.

links: {group's anchor: the anchors that it names}; kinds: {anchor: "user" | "group"}.
Memberships between groups are taken one after the other, in order of the two
anchors; one that leads back to its own group by those taken before is left out.
"""


def reachable(taken, start):
    """Every group that can be reached from `start`, itself included."""
    seen, waiting = set(), [start]
    while waiting:
        group = waiting.pop()
        if group not in seen:
            seen.add(group)
            waiting += taken.get(group, ())
    return seen


def without_loops(links, kinds):
    taken = {}
    for group in sorted(links):
        for member in sorted(links[group]):
            if kinds[member] == "group" and group not in reachable(taken, member):
                taken.setdefault(group, set()).add(member)
    return taken


def people(links, kinds):
    """{group: anchors of the people in it or in any group below}"""
    taken = without_loops(links, kinds)
    return {group: {member for below in reachable(taken, group) for member in links.get(below, ()) if kinds[member] == "user"}
            for group in links}
