/* manual.h - a verb's manual page on the terminal. */
#ifndef CLI_MANUAL_H
#define CLI_MANUAL_H

/* Shows pome-VERB(1) with man(1) and ends the process. Returns when standard output is no terminal, or the page or man(1) is not there: then
 * the verb's --help is what there is. */
void manual_show(const char *verb);

#endif
