/* tsan.h -- asked by the thread sanitizer when a test starts. */
#ifndef TESTS_LIB_TSAN_H
#define TESTS_LIB_TSAN_H

/* The name is the sanitizer's. */
const char *__tsan_default_suppressions(void);

#endif
