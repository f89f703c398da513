/*
 * mutations -- each rule of safety switched off on its own: after how many
 * seeds does the judge notice?
 *
 * A rule has a scene in which it is needed often, and a bound: so many seeds at
 * the most. The same seeds are then run with the rule, and must hold: what was
 * noticed is the rule's absence, and not the scene.
 */
#ifndef TESTS_SIM_MUTATIONS_H
#define TESTS_SIM_MUTATIONS_H

/* Print the table, of one rule or (NULL) of all; `jobs` processes at a time.
 * 0: each was noticed within its bound. */
int mutations_run(const char *rule, int jobs);

#endif
