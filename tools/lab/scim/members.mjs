/*
 * members -- the part of a group's PATCH that concerns members, as two sets of
 * ids. Costs what the PATCH names, not what the group holds, but for filters
 * other than `value eq`.
 */
import SCIMMY from "scimmy";
import { Refusal } from "./errors.mjs";

const MEMBERS = /^(?:urn:ietf:params:scim:schemas:core:2\.0:Group:)?members$/i;
const FILTERED = /^(?:urn:ietf:params:scim:schemas:core:2\.0:Group:)?members\[(.*)\]$/i;
const ONE_VALUE = /^\s*value\s+eq\s+("(?:[^"\\]|\\.)*")\s*$/i;

/** The id of a member that exists, or a refusal. */
export function existing(store, member) {
    if (typeof member?.value !== "string") throw new Refusal(400, "invalidValue", "a member needs a 'value'");
    if (!store.has(member.value)) throw new Refusal(400, "invalidValue", `member ${member.value} does not exist`);
    return member.value;
}

export class MemberPatch {
    added = new Set();
    removed = new Set();

    constructor(store, row) {
        this.store = store;
        this.row = row;
    }

    /** Takes what concerns members; returns the operations that do not. */
    take(operations) {
        const others = [];
        for (const operation of operations) {
            const { path, value } = operation;
            if (path === undefined) {
                const name = Object.keys(value).find((each) => MEMBERS.test(each));
                if (name !== undefined) this.#apply(operation.op, value[name]);
                const { [name]: _, ...rest } = value;
                if (Object.keys(rest).length > 0) others.push({ ...operation, value: rest });
            } else if (MEMBERS.test(path)) {
                this.#apply(operation.op, value);
            } else if (FILTERED.test(path)) {
                this.#applyFiltered(operation.op, FILTERED.exec(path)[1]);
            } else {
                others.push(operation);
            }
        }
        return others;
    }

    #add(id) {
        this.removed.delete(id);
        this.added.add(id);
    }

    #remove(id) {
        this.added.delete(id);
        this.removed.add(id);
    }

    #apply(op, value) {
        const listed = value === undefined ? [] : [value].flat();
        switch (op.toLowerCase()) {
            case "add":
                listed.forEach((each) => this.#add(existing(this.store, each)));
                break;
            case "remove":
                if (value === undefined) this.#removeAll();
                listed.forEach((each) => this.#remove(String(each?.value)));
                break;
            default:
                this.#removeAll();
                listed.forEach((each) => this.#add(existing(this.store, each)));
        }
    }

    #removeAll() {
        [...this.row.members.keys(), ...this.added].forEach((id) => this.#remove(id));
    }

    #applyFiltered(op, filter) {
        if (op.toLowerCase() !== "remove")
            throw new Refusal(400, "mutability", "a member is immutable: remove it and add the other");
        const one = ONE_VALUE.exec(filter);
        if (one) {
            this.#remove(JSON.parse(one[1]));
            return;
        }
        const members = [...this.row.members].map(([value, type]) => ({ value, type }));
        new SCIMMY.Types.Filter(filter).match(members).forEach(({ value }) => this.#remove(value));
    }
}
