/*
 * history -- what rows were a moment ago, for the fault "stale": a provider
 * whose reads lag behind its writes. Bounded; older changes are forgotten.
 */
const CHANGES_MAX = 10_000;

export class History {
    #changes = []; /* {at_ms, type, id, before, added, removed}, oldest first */

    note(type, id, before) {
        this.#keep({ at_ms: Date.now(), type, id, before });
    }

    noteMembers(id, before, added, removed) {
        this.#keep({ at_ms: Date.now(), type: "Group", id, before, added, removed });
    }

    #keep(change) {
        this.#changes.push(change);
        if (this.#changes.length > CHANGES_MAX) this.#changes.splice(0, CHANGES_MAX / 10);
    }

    /** ROW as it was LAG_MS ago; undefined when it did not exist then. */
    before(type, id, row, lag_ms) {
        const then = Date.now() - lag_ms;
        let members = row?.members;
        for (let at = this.#changes.length - 1; at >= 0; at--) {
            const change = this.#changes[at];
            if (change.at_ms <= then) break;
            if (change.type !== type || change.id !== id) continue;
            row = change.before;
            members ??= row?.members;
            if (!change.added) continue;
            members = new Map(members);
            change.added.forEach((member) => members.delete(member));
            change.removed.forEach((member) => members.set(member, "User"));
        }
        return row && members ? { ...row, members } : row;
    }

    /** Ids of TYPE that changed in the last LAG_MS. */
    changed(type, lag_ms) {
        const then = Date.now() - lag_ms;
        return new Set(this.#changes.filter((each) => each.at_ms > then && each.type === type)
            .map((each) => each.id));
    }
}
