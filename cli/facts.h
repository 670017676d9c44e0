/* facts.h - a file's description (pome/inspect.h) kept as a tree, and ways to show it: text, JSON, what differs between two. */
#ifndef CLI_FACTS_H
#define CLI_FACTS_H

#include <pome/inspect.h>

#include <stdio.h>

struct fact_node {
    struct pome_fact fact;          /* key, title, text and data are the tree's own */
    struct fact_node *next, *first; /* first: of what a group or list holds */
};

/* NULL and *err. */
struct fact_node *facts_gather(const char *path, const struct pome_inspect_options *options, struct pome_error *err);
void facts_free(struct fact_node *tree);

/* all: details too. Lists of plain groups become tables. */
void facts_print(FILE *f, const struct fact_node *tree, bool all);
void facts_print_json(FILE *f, const struct fact_node *tree);

/* Prints what is only in one and what differs, one line each ("-", "+", "~"), or a JSON array. Returns how many. */
size_t facts_diff(FILE *f, const struct fact_node *a, const struct fact_node *b, bool all, bool json);

#endif
