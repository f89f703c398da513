/* err.h -- one error object: a code for programs, a sentence for people. */
#ifndef NODE_BASE_ERR_H
#define NODE_BASE_ERR_H

#define TS_MUSTUSE           __attribute__((warn_unused_result))
#define TS_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* One list, so that the enum and its texts can never drift apart. */
#define TS_CODES(X)                                                   \
    X(TS_OK, "success")                                               \
    X(TS_E_NOMEM, "out of memory")                                    \
    X(TS_E_IO, "input/output error")                                  \
    X(TS_E_CORRUPT, "stored data is corrupt")                         \
    X(TS_E_LIMIT, "a configured limit was reached")                   \
    X(TS_E_CONFIG, "the configuration or the call's words are wrong") \
    X(TS_E_PROTOCOL, "the other side broke the protocol")             \
    X(TS_E_AUTH, "authentication or authorization was refused")       \
    X(TS_E_UNREACHABLE, "the other side is not reachable")            \
    X(TS_E_TIMEOUT, "the time allowed has passed")                    \
    X(TS_E_CANCELLED, "cancelled")                                    \
    X(TS_E_NOT_FOUND, "not found")                                    \
    X(TS_E_CONFLICT, "in conflict with what is there")                \
    X(TS_E_REFUSED, "refused for safety")                             \
    X(TS_E_RULE, "a rule could not be evaluated")                     \
    X(TS_E_VERSION, "made by another version")

#define TS_CODE_ENUM(code, text) code,
enum ts_code {
    TS_CODES(TS_CODE_ENUM)
};
#undef TS_CODE_ENUM

/* Caller-owned, no heap: safe to fill when memory has run out. */
struct ts_err {
    enum ts_code code;
    int sys_errno;  /* 0 unless a system call failed */
    char text[512]; /* "could not open \"x\": No such file or directory" */
};

/* Fill `err` (NULL is fine) and return `code`, so that a failing function can
 * end in `return ts_fail(...)`. With sys_errno != 0, ": strerror" is added. */
enum ts_code ts_fail(struct ts_err *err, enum ts_code code, int sys_errno,
                     const char *fmt, ...) TS_PRINTF(4, 5);

/* Prefix context while unwinding: "starting replication: <old text>". */
void ts_err_wrap(struct ts_err *err, const char *fmt, ...) TS_PRINTF(2, 3);

const char *ts_code_text(enum ts_code code);

#endif
