/*
 * request-log -- one JSON line for each request, in the file before its answer
 * leaves: whoever has an answer finds the line.
 */
import fs from "node:fs";

/** Microseconds since 1970, never going back while the process lives. */
export const now_us = () => Math.round((performance.timeOrigin + performance.now()) * 1000);

export class RequestLog {
    #fd;

    constructor(file) {
        this.#fd = fs.openSync(file, "a", 0o600);
    }

    write(line) {
        fs.writeSync(this.#fd, JSON.stringify(line) + "\n");
    }
}
