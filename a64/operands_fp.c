/* operands_fp.c - operands and predicates of floating-point instructions. */
#include "a64/table.h"
