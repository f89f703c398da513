/*
 * trail -- where to ask slapd next, so that nothing it left out stays out.
 *
 * slapd raises its contextCSN when a write is done and puts the write into its
 * log of deletions a moment later; in between are a checkpoint or the write of
 * an accesslog record, when it has them. A search that falls in between is
 * given a cookie beyond a deletion that it was not told of (seen with 2.5.13:
 * every checkpoint loses one; with an accesslog nearly every search). So are
 * entries that stopped to match the filter or were moved away. Entries that are
 * there are not left out: they are read from the database.
 *
 *     writer   commit ... contextCSN = 7 ......... 7 is in the log
 *     search                      \ cookie 7, without 7
 *
 * A search from a cookie before 7 tells of it as soon as it is in the log. So
 * each change is asked for again, when the moment must be over:
 *
 *   T1  a look asks from `from`: what is up to `from` needs no more asking;
 *   T2  `to` is a cookie that was seen at `since`. An answer to a question from
 *       `from`, asked `delay` or more after that, tells all up to `to`: then
 *       `to` is the new `from`, and the answer's cookie the new `to`.
 *
 * There are two looks of that rule. The one after 2 s makes good at the next
 * import what a healthy slapd left out; the one after 30 s is for one whose
 * disk hung. Only one of them asks at an import: the late one when it is due,
 * and what it asks for includes what the soon one would.
 *
 *   T3  an import makes one search (but see contentsync.h on complete ones).
 *   T4  a change is asked for twice when imports are 30 s or more apart, and
 *       six times when they are 1 s apart, which is the least that can be
 *       configured; once both looks are at rest, nothing is asked for again.
 *   T5  what slapd had not put into its log 30 s later stays out until the next
 *       full import.
 *   T6  a server whose state is older than a cookie that it gave has forgotten
 *       what it told: it was restored, or is a replica that lags. Asked from an
 *       older cookie it does not say so itself, so the answer is held against
 *       every cookie of the trail. The newest is kept beside the looks, which
 *       take no other cookie as theirs until they are due.
 *
 * As text, which is kept as the watermark: the cookie alone when at rest, else
 * "FROM TO SECONDS FROM TO SECONDS NEWEST" (soon, late). Times are of the wall
 * clock: the next import may be another process, or another computer's. One in
 * the future says nothing, and counts from now.
 */
#ifndef NODE_SOURCE_TRAIL_H
#define NODE_SOURCE_TRAIL_H

#include "node/ldap/contentsync_codec.h"

#define TRAIL_SOON_SECONDS 2 /* of whole seconds: more than 1 s */
#define TRAIL_LATE_SECONDS 30

/* A cookie of slapd's. */
struct contentsync_mark {
    size_t size; /* 0: no cookie */
    uint8_t bytes[CONTENTSYNC_COOKIE_MAX];
};

enum trail_kind {
    TRAIL_SOON,
    TRAIL_LATE,
    TRAIL_LOOKS
};

struct trail_look {
    struct contentsync_mark from, to;
    int64_t since;
};

struct trail {
    struct trail_look looks[TRAIL_LOOKS];
    struct contentsync_mark newest; /* beyond it nothing was told (T6) */
};

/* Everything up to `mark` is known. */
void trail_rest(struct trail *trail, const struct contentsync_mark *mark);
/* Where to ask from at `now`. Size 0: from the beginning. */
enum trail_kind trail_next(const struct trail *trail, int64_t now);
const struct contentsync_mark *trail_from(const struct trail *trail,
                                          enum trail_kind kind);
/* The question of `kind`, asked at `asked`, was answered with `mark`, which was
 * there at `now`. */
void trail_answer(struct trail *trail, enum trail_kind kind, int64_t asked,
                  const struct contentsync_mark *mark, int64_t now);
/* T6: was a cookie given that is beyond `mark`, the server's state of now? */
bool trail_is_past(const struct trail *trail,
                   const struct contentsync_mark *mark);
/* After trail_rest(): `mark` was answered to a question from there. */
void trail_extend(struct trail *trail, const struct contentsync_mark *mark,
                  int64_t now);

/* Five cookies, two numbers of up to 20 digits, six spaces. */
#define TRAIL_TEXT_MAX (5 * CONTENTSYNC_COOKIE_MAX + 46)
/* Returns the size; 0 when there is no cookie. */
size_t trail_print(const struct trail *trail,
                   uint8_t text[static TRAIL_TEXT_MAX]);
/* Errors   TS_E_PROTOCOL: not of that form. */
TS_MUSTUSE enum ts_code
trail_parse(struct ts_slice text, struct trail *ret_trail, struct ts_err *err);

#endif
