/*
 * control -- the loopback port by which tests set faults and options. It is
 * part of the lab, not of what the lab imitates: plain HTTP, no password.
 *
 *   POST /faults RULE -> the rule with its id      GET /faults -> all, with hits
 *   DELETE /faults[/ID]     GET, PATCH /options     POST /reset
 *   and what a server adds to these
 */
import http from "node:http";

const BODY_MAX_BYTES = 1 << 20;

async function readJson(request) {
    let text = "";
    for await (const chunk of request) {
        text += chunk;
        if (text.length > BODY_MAX_BYTES) throw new Error("the body is too large");
    }
    return JSON.parse(text || "{}");
}

/* options: {get(), set(changes), reset()}; more: {"METHOD /path": (body) => …} */
export function listenControl(port, faults, options, more = {}) {
    const actions = {
        ...more,
        "GET /faults": () => faults.list(),
        "POST /faults": (body) => faults.add(body),
        "DELETE /faults": () => faults.remove(),
        "GET /options": () => options.get(),
        "PATCH /options": (body) => options.set(body),
        "POST /reset": () => {
            faults.remove();
            options.reset();
        }
    };
    const server = http.createServer(async (request, response) => {
        try {
            const body = await readJson(request);
            const single = /^\/faults\/(\d+)$/.exec(request.url);
            const action = single && request.method === "DELETE"
                ? () => faults.remove(Number(single[1]))
                : actions[`${request.method} ${request.url}`];
            if (!action) throw new Error(`no such action: ${request.method} ${request.url}`);
            response.setHeader("Content-Type", "application/json");
            response.end(JSON.stringify((await action(body)) ?? { done: true }));
        } catch (error) {
            response.statusCode = 400;
            response.end(JSON.stringify({ error: error.message }));
        }
    });
    return new Promise((resolve) => server.listen(port, "127.0.0.1", resolve));
}
