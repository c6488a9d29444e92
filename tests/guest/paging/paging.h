/* The groups of the paging image. */
#ifndef TESTS_GUEST_PAGING_PAGING_H
#define TESTS_GUEST_PAGING_PAGING_H

#include "pages.h"

void shutdown_cases(void);
void rights_cases(void);
void string_cases(void);
void event_cases(void);
void crossing_cases(void);
void table_cases(void);
void tlb_cases(void);

#endif
