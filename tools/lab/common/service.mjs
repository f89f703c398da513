/*
 * service -- what both servers do alike: read their settings, listen with TLS,
 * number their connections and the requests on each, stop when told.
 */
import fs from "node:fs";
import https from "node:https";

/** The settings that `lab` wrote; the path is the only argument. */
export function readSettings() {
    return JSON.parse(fs.readFileSync(process.argv[2], "utf8"));
}

/** Listens on 127.0.0.1:port; each socket carries .number and .requests. */
export async function listen(settings, handler) {
    const server = https.createServer({
        cert: fs.readFileSync(settings.certificate_file),
        key: fs.readFileSync(settings.key_file),
        minVersion: "TLSv1.2",
        keepAlive: true,
        noDelay: true
    });
    let connections = 0;
    server.keepAliveTimeout = 120_000;
    server.requestTimeout = 0;
    server.on("secureConnection", (socket) => {
        socket.number = ++connections;
        socket.requests = 0;
    });
    server.on("request", (request, response) => {
        request.connection_number = request.socket.number;
        request.ordinal = ++request.socket.requests;
        handler(request, response);
    });
    await new Promise((resolve) => server.listen(settings.port, "127.0.0.1", resolve));
    for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, () => process.exit(0));
    return server;
}
