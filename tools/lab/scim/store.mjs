/*
 * store -- the provider's users and groups: in memory, behind a journal.
 *
 * Every change happens at once and is seen at once; whoever answers a client
 * waits for durable() first. Rows are never edited but replaced, except for
 * the members of a group: they are a map of their own, so that one member more
 * or less costs one journal line, in a group of 50,000 as well.
 *
 * Invariants:
 *   S1  userName, displayName of groups (both without case) and externalId per
 *       type lead to at most one row.
 *   S2  a member of a group exists: deleting an object takes it out of its groups.
 *   S3  version grows by one with each change of a row or of its members.
 */
import { Journal } from "../common/journal.mjs";
import { History } from "./history.mjs";

const REWRITE_RECORDS_MIN = 50_000;
const MEMBERS_PER_RECORD = 5_000;
const NAME_OF = { User: "userName", Group: "displayName" };

export const foldName = (text) => text.normalize("NFC").toLowerCase();

class Table {
    rows = new Map();
    names = new Map();
    externals = new Map();
    #order = [];
    #holes = 0;

    constructor(name_attribute) {
        this.name_attribute = name_attribute;
    }

    #unindex(row) {
        const name = foldName(row.body[this.name_attribute]);
        if (this.names.get(name) === row.id) this.names.delete(name);
        if (this.externals.get(row.body.externalId) === row.id)
            this.externals.delete(row.body.externalId);
    }

    set(row) {
        const before = this.rows.get(row.id);
        if (before) this.#unindex(before);
        else this.#order.push(row.id);
        this.rows.set(row.id, row);
        this.names.set(foldName(row.body[this.name_attribute]), row.id);
        if (row.body.externalId !== undefined) this.externals.set(row.body.externalId, row.id);
    }

    delete(id) {
        this.#unindex(this.rows.get(id));
        this.rows.delete(id);
        this.#holes++;
    }

    /** Rows OFFSET … OFFSET + COUNT - 1 in the order of creation. */
    page(offset, count) {
        if (this.#holes > 0) this.#order = this.#order.filter((id) => this.rows.has(id));
        this.#holes = 0;
        return this.#order.slice(offset, offset + count).map((id) => this.rows.get(id));
    }
}

export class Store {
    #tables = { User: new Table(NAME_OF.User), Group: new Table(NAME_OF.Group) };
    #groups_of = new Map(); /* object id -> set of group ids */
    #journal;
    history = new History();

    constructor(file) {
        this.#journal = new Journal(file, (record) => this.#replay(record));
        const live = this.#tables.User.rows.size + this.#tables.Group.rows.size;
        if (this.#journal.records > REWRITE_RECORDS_MIN && this.#journal.records > 2 * live)
            this.#journal.rewrite(this.#records());
    }

    durable() {
        return this.#journal.durable();
    }

    /* ---- reading ---- */

    get(type, id) {
        return this.#tables[type].rows.get(id);
    }

    has(id) {
        return this.typeOf(id) !== undefined;
    }

    typeOf(id) {
        if (this.#tables.User.rows.has(id)) return "User";
        return this.#tables.Group.rows.has(id) ? "Group" : undefined;
    }

    byName(type, name) {
        return this.#tables[type].rows.get(this.#tables[type].names.get(foldName(name)));
    }

    byExternalId(type, value) {
        return this.#tables[type].rows.get(this.#tables[type].externals.get(value));
    }

    count(type) {
        return this.#tables[type].rows.size;
    }

    page(type, offset, count) {
        return this.#tables[type].page(offset, count);
    }

    all(type) {
        return [...this.#tables[type].rows.values()];
    }

    /** Which unique attribute of BODY another row than ID has: its name, or null. */
    taken(type, id, body) {
        const table = this.#tables[type];
        const by_name = table.names.get(foldName(body[table.name_attribute]));
        if (by_name !== undefined && by_name !== id) return table.name_attribute;
        const by_external = table.externals.get(body.externalId);
        if (by_external !== undefined && by_external !== id) return "externalId";
        return null;
    }

    /* ---- changing ---- */

    create(type, id, body) {
        const now = new Date().toISOString();
        const row = { id, body, version: 1, created: now, modified: now };
        if (type === "Group") row.members = new Map();
        this.#put(type, row);
        return row;
    }

    replace(type, id, body) {
        const row = { ...this.get(type, id), body, modified: new Date().toISOString() };
        row.version++;
        this.#put(type, row);
        return row;
    }

    #put(type, row) {
        this.history.note(type, row.id, this.get(type, row.id));
        this.#tables[type].set(row);
        this.#journal.append(rowRecord(type, row));
    }

    remove(type, id) {
        for (const group of [...(this.#groups_of.get(id) ?? [])]) this.changeMembers(group, [], [id]);
        const row = this.get(type, id);
        if (type === "Group") this.changeMembers(id, [], [...row.members.keys()]);
        this.history.note(type, id, row);
        this.#tables[type].delete(id);
        this.#journal.append({ type, id, gone: 1 });
    }

    /** Removes everything, groups first: each then goes with its members at once. */
    empty() {
        for (const type of ["Group", "User"]) this.all(type).forEach((row) => this.remove(type, row.id));
    }

    /** Adds and removes what is not there yet or still is; true when any was. */
    changeMembers(group, add, remove) {
        const { members } = this.get("Group", group);
        const added = [...new Set(add)].filter((id) => !members.has(id));
        const removed = [...new Set(remove)].filter((id) => members.has(id));
        if (added.length + removed.length === 0) return false;
        this.history.noteMembers(group, this.get("Group", group), added, removed);
        const row = { ...this.get("Group", group), modified: new Date().toISOString() };
        row.version++;
        this.#tables.Group.set(row);
        this.#link(row, added, removed);
        const { version, modified } = row;
        this.#journal.append({ members: group, added, removed, version, modified });
        return true;
    }

    #link(row, added, removed) {
        for (const id of added) {
            row.members.set(id, this.typeOf(id) ?? "User");
            const groups = this.#groups_of.get(id) ?? new Set();
            this.#groups_of.set(id, groups.add(row.id));
        }
        for (const id of removed) {
            row.members.delete(id);
            this.#groups_of.get(id)?.delete(row.id);
        }
    }

    /* ---- the journal's records ---- */

    #replay(record) {
        if (record.members) {
            const row = this.get("Group", record.members);
            this.#tables.Group.set({ ...row, version: record.version, modified: record.modified });
            this.#link(this.get("Group", record.members), record.added, record.removed);
        } else if (record.gone) {
            this.#tables[record.type].delete(record.id);
        } else {
            const { type, ...row } = record;
            if (type === "Group") row.members = this.get(type, row.id)?.members ?? new Map();
            this.#tables[type].set(row);
        }
    }

    *#records() {
        for (const type of ["User", "Group"])
            for (const row of this.all(type)) yield rowRecord(type, row);
        for (const { id, members, version, modified } of this.all("Group")) {
            const ids = [...members.keys()];
            for (let at = 0; at < ids.length; at += MEMBERS_PER_RECORD) {
                const added = ids.slice(at, at + MEMBERS_PER_RECORD);
                yield { members: id, added, removed: [], version, modified };
            }
        }
    }
}

function rowRecord(type, { members, ...row }) {
    return { type, ...row };
}
