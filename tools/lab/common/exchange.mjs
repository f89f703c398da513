/*
 * exchange -- one request and its answer, whatever framework computes it.
 *
 * The answer that the framework ends with is held here until its effect is
 * durable, may then be spoiled by a fault, is logged, and only then leaves:
 *
 *   request -> admitted -> effect in memory -> durable -> logged -> answered
 */
import { now_us } from "./request-log.mjs";

/** Thrown to end a request early: the answer has been given. */
export class Ended extends Error {}

export class Exchange {
    text = "";        /* the request's body */
    ids = [];         /* of the objects it touched */
    bulk = undefined; /* for a Bulk request: one row an operation */
    fault = undefined;
    admitted_us = undefined;
    effect_us = undefined;
    client = undefined;
    #closed = false;

    /** server: {faults, log, durable(), error(status, action)} */
    constructor(request, response, server) {
        this.request = request;
        this.response = response;
        this.server = server;
        this.method = request.method;
        this.url = request.url;
        this.ordinal = request.ordinal;
        this.received_us = now_us();
        this.#hold();
    }

    /* The framework's end() becomes: wait, spoil, log, send. */
    #hold() {
        const { response } = this;
        const send = response.end.bind(response);
        const chunks = [];
        response.write = (chunk, encoding) => chunks.push(Buffer.from(chunk, encoding)) > 0;
        response.end = (chunk, encoding) => {
            if (chunk && typeof chunk !== "function")
                chunks.push(typeof chunk === "string" ? Buffer.from(chunk, encoding) : chunk);
            this.#finish(Buffer.concat(chunks), send).catch(() => this.request.socket.destroy());
            return response;
        };
    }

    async #finish(body, send) {
        const answer = new Answer(this, body);
        await this.server.durable();
        try {
            await this.server.faults.after(this, answer);
        } catch (error) {
            if (!(error instanceof Ended)) throw error;
        }
        if (this.#closed) return;
        this.#log(this.response.statusCode);
        answer.send(send);
    }

    #log(status) {
        const path = this.url;
        this.server.log.write({
            received_us: this.received_us, admitted_us: this.admitted_us,
            effect_us: this.effect_us, answered_us: now_us(),
            method: this.method, path, status,
            op: this.request.headers["twinsync-op"], client: this.client,
            connection: this.request.connection_number, ordinal: this.ordinal,
            ids: this.ids, bulk: this.bulk, fault: this.fault
        });
    }

    /** Reads the body, at most LIMIT bytes of it; null when there is more. */
    async read(limit) {
        const chunks = [];
        let size = 0;
        for await (const chunk of this.request) {
            size += chunk.length;
            if (size <= limit) chunks.push(chunk);
        }
        if (size > limit) return null;
        this.text = Buffer.concat(chunks).toString("utf8");
        return this.text;
    }

    /** The state changed now. */
    touch(id) {
        this.effect_us = now_us();
        this.ids.push(id);
    }

    refuse(status, action = {}) {
        new Answer(this, Buffer.alloc(0)).replace(status, action).give();
        throw new Ended();
    }

    /** Ends the connection without an answer, the way a crash would. */
    close() {
        if (!this.#closed) this.#log(0);
        this.#closed = true;
        this.request.socket.destroy();
        throw new Ended();
    }

    expireToken() {
        this.server.expireToken?.(this);
        this.refuse(401, {});
    }
}

class Answer {
    #truncated = false;

    constructor(exchange, body) {
        this.exchange = exchange;
        this.body = body;
    }

    close() {
        this.exchange.close();
    }

    replace(status, action) {
        const { response, server } = this.exchange;
        response.statusCode = status;
        if (action.retry_after !== undefined)
            response.setHeader("Retry-After", String(action.retry_after));
        response.setHeader("Content-Type", server.error_type);
        response.removeHeader("ETag");
        this.body = Buffer.from(action.body ?? server.error(status));
        return this;
    }

    give() {
        this.exchange.response.end(this.body);
    }

    rewrite(change) {
        this.body = Buffer.from(change(this.body.toString("utf8")));
    }

    setType(value) {
        this.exchange.response.setHeader("Content-Type", value);
    }

    truncate() {
        this.#truncated = true;
    }

    send(send) {
        const { response } = this.exchange;
        const empty = response.statusCode === 204 || response.statusCode === 304;
        if (empty) {
            response.removeHeader("Content-Type");
            response.removeHeader("Content-Length");
            return send();
        }
        response.setHeader("Content-Length", this.body.length);
        if (!this.#truncated) return send(this.body);
        response.flushHeaders();
        response.socket.write(this.body.subarray(0, this.body.length >> 1), () => response.socket.destroy());
        return response;
    }
}
