/*
 * list -- GET of a collection: filter, page, project.
 *
 * `eq` on the unique attributes is answered by an index and a page without a
 * filter by its place; anything else is a scan.
 */
import SCIMMY from "scimmy";
import { Refusal } from "./errors.mjs";
import { isAttribute } from "./validate.mjs";

const LIST = "urn:ietf:params:scim:api:messages:2.0:ListResponse";
const SIMPLE_EQ = /^\s*([\w:.]+)\s+eq\s+("(?:[^"\\]|\\.)*")\s*$/i;

export class Lists {
    constructor(resources) {
        this.resources = resources;
        this.store = resources.store;
    }

    /** query: URLSearchParams; lag_ms: how old the answer is, 0 = now */
    answer(type, query, lag_ms) {
        const { page_default, page_max } = this.resources.options;
        const start = Math.max(number(query, "startIndex", 1), 1);
        const count = Math.min(Math.max(number(query, "count", page_default), 0), page_max);
        const filter = query.get("filter");
        if (query.has("sortBy")) throw new Refusal(400, "invalidValue", "sorting is not supported");
        let rows, total;
        if (filter === null) {
            total = this.store.count(type);
            rows = this.store.page(type, start - 1, count);
            if (lag_ms > 0) rows = rows.map((row) => this.aged(type, row.id, row, lag_ms)).filter(Boolean);
        } else {
            const found = this.#matching(type, filter, lag_ms);
            total = found.length;
            rows = found.slice(start - 1, start - 1 + count);
        }
        const shown = this.projection(type, query);
        return {
            schemas: [LIST], totalResults: total, startIndex: start,
            itemsPerPage: rows.length, Resources: rows.map(shown)
        };
    }

    aged(type, id, row, lag_ms) {
        return lag_ms > 0 ? this.store.history.before(type, id, row, lag_ms) : row;
    }

    #matching(type, text, lag_ms) {
        const [, path, quoted] = SIMPLE_EQ.exec(text) ?? [];
        const name = path?.toLowerCase();
        const value = quoted && JSON.parse(quoted);
        let exact;
        if (name === "externalid") exact = this.store.byExternalId(type, value);
        else if (name === (type === "User" ? "username" : "displayname")) exact = this.store.byName(type, value);
        else if (name === "id") exact = this.store.get(type, value);
        else return this.#scan(type, text, this.store.all(type), lag_ms);
        if (lag_ms === 0) return exact ? [exact] : [];
        const ids = this.store.history.changed(type, lag_ms);
        if (exact) ids.add(exact.id);
        return this.#scan(type, text, [...ids].map((id) => this.store.get(type, id) ?? { id }), lag_ms);
    }

    #scan(type, text, rows, lag_ms) {
        const filter = parse(type, text);
        const lean = !/members/i.test(text);
        return rows.map((row) => this.aged(type, row.id, row.body ? row : undefined, lag_ms))
            .filter((row) => row && filter.match([this.resources.present(type, row, lean)]).length > 0);
    }

    /** How a row is shown under `attributes` and `excludedAttributes`. */
    projection(type, query) {
        const wanted = names(query.get("attributes"));
        const unwanted = names(query.get("excludedAttributes"));
        const lean = unwanted.includes("members") || (wanted.length > 0 && !wanted.some((each) => /^members/.test(each)));
        return (row) => {
            const shown = this.resources.present(type, row, lean);
            if (wanted.length === 0 && unwanted.length === 0) return shown;
            return project(shown, wanted, unwanted);
        };
    }
}

const ALWAYS = new Set(["schemas", "id"]);

/* Top-level attributes and, for "a.b", the sub-attributes of it. */
function project(shown, wanted, unwanted) {
    const matches = (list, name) => list.some((each) => {
        const path = name.toLowerCase();
        return each === path || each.startsWith(path + ".") || each.startsWith(path + ":");
    });
    return Object.fromEntries(Object.entries(shown).filter(([name]) => {
        if (ALWAYS.has(name)) return true;
        return wanted.length > 0 ? matches(wanted, name) : !unwanted.includes(name.toLowerCase());
    }));
}

function names(text) {
    return text ? text.split(",").map((each) => each.trim().toLowerCase()) : [];
}

function number(query, name, otherwise) {
    const text = query.get(name);
    if (text === null) return otherwise;
    if (!/^-?\d{1,9}$/.test(text)) throw new Refusal(400, "invalidValue", `${name} is not a number`);
    return Number(text);
}

function parse(type, text) {
    let filter;
    try {
        filter = new SCIMMY.Types.Filter(text);
    } catch (error) {
        throw new Refusal(400, "invalidFilter", error.message);
    }
    for (const expression of filter)
        for (const [name, comparison] of Object.entries(expression)) {
            if (!isAttribute(type, name)) throw new Refusal(400, "invalidFilter", `unknown attribute '${name}'`);
            if (Array.isArray(comparison) && comparison.length === 1 && comparison[0] !== "pr")
                throw new Refusal(400, "invalidFilter", `'${name} ${comparison[0]}' lacks a value`);
        }
    return filter;
}
