/*
 * Intel 82371AB (PIIX4), function 3: power management (ACPI registers, PM timer, APM ports) and SMBus host.
 *
 * The PM and SMBus registers map themselves where configuration space says. The board maps piix4_pm_gpe_ops, 4 ports
 * at AFE0 (where firmware for this board looks for the general purpose events), and piix4_pm_apm_ops, 2 ports at B2.
 */
#ifndef HW_PCI_PIIX4_PM_H
#define HW_PCI_PIIX4_PM_H

#include "hw/core/clock.h"
#include "hw/core/irq.h"
#include "hw/pci/pci.h"

#define PIIX4_PM_TIMER_HZ 3579545

struct piix4_pm;

struct piix4_pm_board {
    struct irq sci;                   /* level; also the SMBus host's interrupt */
    bool has_com1, has_com2, has_lpt; /* what firmware's tables are told about the legacy ports */
    bool has_smm;                     /* false: firmware is told that SMM needs no set-up, and smi is never called */
    void (*power_off)(void *opaque);  /* the guest enters S4 or S5 */
    void (*suspend)(void *opaque);    /* the guest enters S3: resume with piix4_pm_wake() */
    void (*smi)(void *opaque);        /* a write to APMC */
    void *opaque;
};

enum piix4_pm_wake_source { PIIX4_PM_WAKE_OTHER, PIIX4_PM_WAKE_BUTTON, PIIX4_PM_WAKE_RTC };

extern const struct bus_ops piix4_pm_gpe_ops;
extern const struct bus_ops piix4_pm_apm_ops;

/* Function 3 of `slot`. `bus` is where its ports go, `board` is copied. NULL when out of memory or the place is taken.
 */
struct piix4_pm *piix4_pm_create(struct pci_bus *pci, unsigned slot, struct bus *bus, struct clock *clock,
                                 const struct piix4_pm_board *board);
void piix4_pm_destroy(struct piix4_pm *pm);
void piix4_pm_reset(struct piix4_pm *pm);

/* The power button is pressed. */
void piix4_pm_power_button(struct piix4_pm *pm);
/* The end of S3, after the reset that goes with it: tells the guest that it woke and why. */
void piix4_pm_wake(struct piix4_pm *pm, enum piix4_pm_wake_source source);

const struct state_desc *piix4_pm_state(void);
void piix4_pm_after_load(struct piix4_pm *pm);

#endif
