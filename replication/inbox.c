#include "replication/inbox.h"

static bool is_over(const struct inbox *inbox, uint64_t session)
{
    size_t count =
        inbox->past_count < INBOX_PAST_MAX ? inbox->past_count : INBOX_PAST_MAX;
    for (size_t i = 0; i < count; i++) {
        if (inbox->past[i] == session) {
            return true;
        }
    }
    return false;
}

bool inbox_take(struct inbox *inbox, uint64_t session, uint64_t number)
{
    if (inbox->is_begun && session == inbox->session) {
        if (number <= inbox->number) {
            return false;
        }
        inbox->number = number;
        return true;
    }
    if (is_over(inbox, session)) {
        return false;
    }
    if (inbox->is_begun) {
        inbox->past[inbox->past_count % INBOX_PAST_MAX] = inbox->session;
        inbox->past_count++;
    }
    inbox->is_begun = true;
    inbox->session = session;
    inbox->number = number;
    return true;
}
