/* folder.h -- a fresh folder for one test, and its removal with all in it. */
#ifndef TESTS_LIB_FOLDER_H
#define TESTS_LIB_FOLDER_H

#define FOLDER_SIZE 64

/* Fails the test when there is none to be had. */
void folder_make(char path[static FOLDER_SIZE]);
void folder_remove(const char *path);

#endif
