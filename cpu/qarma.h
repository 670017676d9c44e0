/* qarma.h - QARMA5-64 with S-box sigma 2, the cipher behind the architected pointer authentication codes. */
#ifndef CPU_QARMA_H
#define CPU_QARMA_H

#include <stdint.h>

/* w0 and k0 are the halves of a key as AP*KEYHI_EL1 and AP*KEYLO_EL1 hold them. */
uint64_t qarma5(uint64_t data, uint64_t tweak, uint64_t w0, uint64_t k0);

#endif
