/* state_test.c - every operation in every state, against the matrix written down from VZVirtualMachine's documentation. */
#include "base/bits.h"
#include "vm/state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* The columns are the states by number: stopped running paused error, starting pausing resuming stopping saving restoring.
 * y: allowed; 3, 4: refused with that error. */
static const struct {
    const char *name, *in;
    enum pome_vm_state during, done, failed;
} wanted[POME_VM_OPERATION_COUNT] = {
    [POME_VM_OP_START] = {"start", "y33y333333", POME_VM_STARTING, POME_VM_RUNNING, POME_VM_ERROR},
    [POME_VM_OP_PAUSE] = {"pause", "3y33333333", POME_VM_PAUSING, POME_VM_PAUSED, POME_VM_RUNNING},
    [POME_VM_OP_RESUME] = {"resume", "33y3333333", POME_VM_RESUMING, POME_VM_RUNNING, POME_VM_PAUSED},
    [POME_VM_OP_STOP] = {"stop", "3yy3333333", POME_VM_STOPPING, POME_VM_STOPPED, POME_VM_ERROR},
    [POME_VM_OP_REQUEST_STOP] = {"request-stop", "3y33333333", POME_VM_RUNNING, POME_VM_RUNNING, POME_VM_RUNNING},
    [POME_VM_OP_RESET] = {"reset", "3y33333333", POME_VM_RUNNING, POME_VM_RUNNING, POME_VM_RUNNING},
    [POME_VM_OP_SAVE] = {"save", "33y3333333", POME_VM_SAVING, POME_VM_PAUSED, POME_VM_PAUSED},
    [POME_VM_OP_RESTORE] = {"restore", "y444444444", POME_VM_RESTORING, POME_VM_PAUSED, POME_VM_STOPPED},
};

static void numbers_are_apples(void **state)
{
    static const char *const names[] = {"stopped", "running", "paused", "error", "starting", "pausing", "resuming", "stopping", "saving",
                                        "restoring"};
    assert_int_equal(ARRAY_SIZE(names), POME_VM_STATE_COUNT);
    for (unsigned i = 0; i < POME_VM_STATE_COUNT; i++)
        assert_string_equal(vm_state_name(i), names[i]);
    assert_string_equal(vm_state_name(10), "unknown");
    assert_string_equal(vm_stop_name(99), "unknown");
}

static void every_operation_in_every_state(void **state)
{
    for (unsigned op = 0; op < POME_VM_OPERATION_COUNT; op++) {
        assert_string_equal(vm_ops[op].name, wanted[op].name);
        for (unsigned s = 0; s < POME_VM_STATE_COUNT; s++) {
            struct pome_error err = {0};
            bool allowed = wanted[op].in[s] == 'y';
            assert_int_equal(vm_op_allowed(op, s), allowed);
            assert_int_equal(vm_op_check(op, s, &err), allowed);
            assert_int_equal(err.code, allowed ? 0 : wanted[op].in[s] - '0');
            if (!allowed) /* who was asked, and where it stood */
                assert_true(strstr(err.message, vm_state_name(s)) && strstr(err.message, wanted[op].name));
        }
    }
}

static void where_operations_lead(void **state)
{
    for (unsigned op = 0; op < POME_VM_OPERATION_COUNT; op++) {
        assert_int_equal(vm_ops[op].during, wanted[op].during);
        assert_int_equal(vm_ops[op].done, wanted[op].done);
        assert_int_equal(vm_ops[op].failed, wanted[op].failed);
    }
}

/* One operation at a time: no state during an operation allows another. */
static void nothing_during_an_operation(void **state)
{
    for (unsigned s = POME_VM_STARTING; s < POME_VM_STATE_COUNT; s++)
        for (unsigned op = 0; op < POME_VM_OPERATION_COUNT; op++)
            assert_false(vm_op_allowed(op, s));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_apples),
        cmocka_unit_test(every_operation_in_every_state),
        cmocka_unit_test(where_operations_lead),
        cmocka_unit_test(nothing_during_an_operation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
