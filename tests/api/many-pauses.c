/* many-pauses.c - pauses, resumes and stops in quick succession while the guest sleeps, works and talks: it loses nothing that was typed. */
#include "kit.h"

int main(int argc, char **argv)
{
    struct kit k;
    kit_open(&k, argv[1], false);
    for (int life = 0; life < 3; life++) {
        kit_start(&k);
        for (int i = 0; i < 100; i++) {
            kit_type(&k, i % 10 ? "t" : "w");
            CHECK(pome_vm_pause_wait(k.vm, LONG_MS, &err) && pome_vm_resume_wait(k.vm, LONG_MS, &err));
            kit_expect(&k, i % 10 ? "T" : "W", NULL);
        }
        if (life & 1)
            CHECK(pome_vm_pause_wait(k.vm, LONG_MS, &err));
        CHECK(pome_vm_stop_wait(k.vm, LONG_MS, &err));
    }
    kit_close(&k);
    return 0;
}
