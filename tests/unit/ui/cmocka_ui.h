/* What every test of ui/ includes first. */
#ifndef TESTS_UNIT_UI_CMOCKA_UI_H
#define TESTS_UNIT_UI_CMOCKA_UI_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#endif
