/*
 * faults -- what goes wrong on purpose, as rules set through the control port.
 *
 *   rule    {match: {...}, action: {...}, times: N}    times: absent = always
 *   match   method, path (regular expression over path and query), body (the
 *           same over the request's text), nth (only the nth that matches the
 *           rest, from 1), kept (only the k-th request of its connection)
 *   action  {type, ...}, see BEFORE and AFTER below
 *
 * The first rule that matches decides. "before" is after admission and before
 * any effect; "after" is when the effect is durable and the answer is ready.
 */

/* Actions that take the place of the effect, or delay it. */
const BEFORE = {
    status: (exchange, action) => exchange.refuse(action.status, action),
    close: (exchange) => exchange.close(),
    stall: (_, action) => new Promise((resolve) => setTimeout(resolve, action.ms)),
    "expire-token": (exchange) => exchange.expireToken()
};

/* Actions that spoil the answer of a request that took effect. */
const AFTER = {
    status: (answer, action) => answer.replace(action.status, action),
    close: (answer) => answer.close(),
    stall: (_, action) => new Promise((resolve) => setTimeout(resolve, action.ms)),
    malformed: (answer) => answer.rewrite((text) => text.slice(0, -1) + ',"' + "\u0001"),
    "wrong-types": (answer) => answer.rewrite(withWrongTypes),
    oversized: (answer, action) => answer.rewrite((text) => padded(text, action.bytes)),
    "content-type": (answer, action) => answer.setType(action.value ?? "text/html"),
    truncated: (answer) => answer.truncate()
};

/* Answers that exist only when the effect has happened. */
const ONLY_AFTER = new Set(["malformed", "wrong-types", "oversized", "content-type", "truncated"]);
/* Carried out by the server itself, which asks with find(). */
const BY_THE_SERVER = new Set(["stale", "bulk-operation"]);

function withWrongTypes(text) {
    const swap = (value) => {
        if (typeof value === "string") return 7;
        if (typeof value === "number" || typeof value === "boolean") return "x";
        if (Array.isArray(value)) return {};
        return [];
    };
    const body = JSON.parse(text || "{}");
    for (const key of Object.keys(body))
        if (key !== "schemas") body[key] = swap(body[key]);
    return JSON.stringify(body);
}

function padded(text, bytes) {
    const body = JSON.parse(text || "{}");
    body.padding = "x".repeat(bytes);
    return JSON.stringify(body);
}

function check(rule) {
    const type = rule?.action?.type;
    if (!BEFORE[type] && !AFTER[type] && !BY_THE_SERVER.has(type))
        return `unknown action type ${JSON.stringify(type)}`;
    for (const key of Object.keys(rule.match ?? {}))
        if (!["method", "path", "body", "nth", "kept"].includes(key))
            return `unknown match ${JSON.stringify(key)}`;
    return null;
}

export class Faults {
    #rules = [];
    #next_id = 1;

    /** Adds a rule and returns it, or throws with the sentence that says why not. */
    add(rule) {
        const why = check(rule);
        if (why) throw new Error(`cannot add the fault: ${why}`);
        const kept = { id: this.#next_id++, match: {}, seen: 0, hits: 0, ...rule };
        kept.path_pattern = kept.match.path && new RegExp(kept.match.path);
        kept.body_pattern = kept.match.body && new RegExp(kept.match.body);
        this.#rules.push(kept);
        return this.#shown(kept);
    }

    list() {
        return this.#rules.map((rule) => this.#shown(rule));
    }

    remove(id) {
        this.#rules = this.#rules.filter((rule) => id !== undefined && rule.id !== id);
    }

    #shown({ path_pattern, body_pattern, ...rule }) {
        return rule;
    }

    /* Counts as it looks: one call for each request and stage. */
    #take(exchange, wanted) {
        for (const rule of this.#rules) {
            if (!wanted(rule.action) || !matches(rule, exchange)) continue;
            rule.seen++;
            if (rule.match.nth !== undefined && rule.seen !== rule.match.nth) continue;
            if (rule.times !== undefined && rule.hits >= rule.times) continue;
            rule.hits++;
            exchange.fault = rule.action.type;
            return rule.action;
        }
        return null;
    }

    /** For actions of the server's own, such as "stale": the action or null. */
    find(exchange, type) {
        return this.#rules.length === 0 ? null
            : this.#take(exchange, (action) => action.type === type);
    }

    async before(exchange) {
        if (this.#rules.length === 0) return;
        const action = this.#take(exchange, (each) => BEFORE[each.type]
            && !ONLY_AFTER.has(each.type) && (each.when ?? "before") === "before");
        if (action) await BEFORE[action.type](exchange, action);
    }

    async after(exchange, answer) {
        if (this.#rules.length === 0) return;
        const action = this.#take(exchange, (each) => AFTER[each.type]
            && (ONLY_AFTER.has(each.type) || each.when === "after"));
        if (action) await AFTER[action.type](answer, action);
    }
}

function matches({ match, path_pattern, body_pattern }, exchange) {
    return (match.method === undefined || match.method === exchange.method)
        && (match.kept === undefined || match.kept === exchange.ordinal)
        && (!path_pattern || path_pattern.test(exchange.url))
        && (!body_pattern || body_pattern.test(exchange.text));
}
