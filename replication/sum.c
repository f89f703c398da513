#include "replication/sum.h"

void sum_add(struct sum *sum, struct sum other)
{
    uint64_t carry = 0;
    for (size_t i = 0; i < 4; i++) {
        uint64_t with_carry = sum->limb[i] + carry;
        carry = with_carry < carry;
        sum->limb[i] = with_carry + other.limb[i];
        carry += sum->limb[i] < with_carry;
    }
}

void sum_subtract(struct sum *sum, struct sum other)
{
    uint64_t borrow = 0;
    for (size_t i = 0; i < 4; i++) {
        uint64_t before = sum->limb[i];
        uint64_t without = before - other.limb[i];
        sum->limb[i] = without - borrow;
        borrow = before < other.limb[i] || without < borrow;
    }
}

bool sum_equal(struct sum a, struct sum b)
{
    return memcmp(a.limb, b.limb, sizeof a.limb) == 0;
}

void sum_store(struct sum sum, uint8_t bytes[static SUM_SIZE])
{
    for (size_t i = 0; i < SUM_SIZE; i++) {
        size_t power = SUM_SIZE - 1 - i;
        bytes[i] = (uint8_t) (sum.limb[power / 8] >> (8 * (power % 8)));
    }
}

struct sum sum_load(const uint8_t bytes[static SUM_SIZE])
{
    struct sum sum = { { 0 } };
    for (size_t i = 0; i < SUM_SIZE; i++) {
        size_t power = SUM_SIZE - 1 - i;
        sum.limb[power / 8] |= (uint64_t) bytes[i] << (8 * (power % 8));
    }
    return sum;
}

struct sum sum_of_hash(struct ts_hash hash)
{
    return sum_load(hash.bytes);
}

void sum_text(struct sum sum, char text[static SUM_TEXT_SIZE])
{
    struct ts_hash bytes;
    sum_store(sum, bytes.bytes);
    ts_hash_text(bytes, text);
}
