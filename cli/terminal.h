/* terminal.h - the user's terminal as a guest's console: raw mode, escape key, restored on every way out. */
#ifndef CLI_TERMINAL_H
#define CLI_TERMINAL_H

#include <pome/error.h>

enum terminal_key {
    TERMINAL_NONE,   /* nothing for us: all bytes went to the guest */
    TERMINAL_EXIT,   /* Ctrl-A x: leave, ending the machine */
    TERMINAL_POWER,  /* Ctrl-A p: power button */
    TERMINAL_SAVE,   /* Ctrl-A s: save the machine and leave */
    TERMINAL_HELP,   /* Ctrl-A ?: help was printed */
    TERMINAL_CLOSED, /* end of input */
};

struct terminal {
    int in_fd;       /* the user's end: standard input */
    int guest_in[2]; /* pipe to the guest: [0] is given to the machine, we write [1] */
    bool is_tty, escape;
    bool attached;   /* leaving does not end the machine */
};

/* Makes the pipe; when standard input is a terminal, switches it to raw mode and arranges that it is restored at exit, on
 * SIGINT, SIGTERM, SIGHUP, SIGQUIT and on a crash of ours. */
bool terminal_open(struct terminal *t, struct pome_error *err);
/* The same, but what is typed goes to fd, the console of a machine in another process. fd becomes non-blocking. */
bool terminal_open_on(struct terminal *t, int fd, struct pome_error *err);
void terminal_close(struct terminal *t);

/* Reads what the user typed and passes it on. Call when in_fd is readable and terminal_reads() says true: false while a
 * pipe's or file's earlier bytes still wait for the guest. */
enum terminal_key terminal_read(struct terminal *t);
bool terminal_reads(const struct terminal *t);

/* True while bytes wait for the guest: then call terminal_write() when guest_in[1] is writable. */
bool terminal_waits(const struct terminal *t);
void terminal_write(struct terminal *t);

/* The signal that asked the process to end, or 0. Its arrival also makes terminal_signal_fd() readable. */
int terminal_signal(void);
int terminal_signal_fd(void);
/* SIGUSR1 came since the last call, which makes terminal_signal_fd() readable too: the machine is to be saved. */
bool terminal_save_asked(void);

#endif
