/*
 * journal -- durable state as an append-only file of JSON lines.
 *
 * The owner keeps its state in memory, changes it there at once, appends one
 * record for the change, and answers its client only when durable() has
 * resolved. Everything appended while one fdatasync runs shares the next one
 * (group commit), so the cost per write falls with the load.
 *
 * Invariants:
 *   J1  when durable() resolves, everything appended before the call is on disk.
 *   J2  records come back from load() in the order in which they were appended.
 *   J3  a line that a crash cut short is dropped, with nothing after it.
 */
import fs from "node:fs";
import path from "node:path";
import { promisify } from "node:util";

const write = promisify(fs.write);
const datasync = promisify(fs.fdatasync);
const REWRITE_CHUNK_BYTES = 1 << 20;

function syncFolder(file) {
    const folder = fs.openSync(path.dirname(file), "r");
    fs.fsyncSync(folder);
    fs.closeSync(folder);
}

export class Journal {
    #file;
    #fd;
    #pending = [];
    #waiting = [];
    #flushing = false;

    /** Reads FILE, calling apply(record) for each; count is left in .records. */
    constructor(file, apply) {
        this.#file = file;
        this.records = 0;
        this.#load(apply);
        this.#fd = fs.openSync(file, "a", 0o600);
        syncFolder(file);
    }

    #load(apply) {
        if (!fs.existsSync(this.#file)) return;
        const bytes = fs.readFileSync(this.#file);
        let start = 0;
        for (let end; (end = bytes.indexOf(10, start)) >= 0; start = end + 1) {
            apply(JSON.parse(bytes.toString("utf8", start, end)));
            this.records++;
        }
        if (start < bytes.length) fs.truncateSync(this.#file, start);
    }

    append(record) {
        this.#pending.push(JSON.stringify(record) + "\n");
        this.records++;
    }

    /** Resolves when all that was appended before is on disk. */
    durable() {
        if (!this.#flushing && this.#pending.length === 0) return Promise.resolve();
        const promise = new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
        if (!this.#flushing) this.#flush();
        return promise;
    }

    /* One fdatasync at a time; who arrives meanwhile waits for the next. */
    async #flush() {
        this.#flushing = true;
        await new Promise(setImmediate);
        while (this.#waiting.length > 0) {
            const waiting = this.#waiting.splice(0);
            const bytes = Buffer.from(this.#pending.splice(0).join(""));
            try {
                for (let at = 0; at < bytes.length;)
                    at += await write(this.#fd, bytes, at, bytes.length - at);
                if (bytes.length > 0) await datasync(this.#fd);
                waiting.forEach(({ resolve }) => resolve());
            } catch (error) {
                waiting.forEach(({ reject }) => reject(error));
            }
        }
        this.#flushing = false;
    }

    /** Replaces the file by RECORDS; only while nothing else is under way. */
    rewrite(records) {
        const draft = this.#file + ".new";
        const fd = fs.openSync(draft, "w", 0o600);
        let text = "";
        this.records = 0;
        for (const record of records) {
            text += JSON.stringify(record) + "\n";
            this.records++;
            if (text.length < REWRITE_CHUNK_BYTES) continue;
            fs.writeSync(fd, text);
            text = "";
        }
        fs.writeSync(fd, text);
        fs.fsyncSync(fd);
        fs.closeSync(fd);
        fs.renameSync(draft, this.#file);
        syncFolder(this.#file);
        fs.closeSync(this.#fd);
        this.#fd = fs.openSync(this.#file, "a", 0o600);
    }
}
