/* Monitor commands that change something: the machine's course, its keys, its media, its log. */
#include "ui/monitor_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "hw/core/bus.h"
#include "hw/core/log.h"
#include "hw/input/kbc8042.h"
#include "ui/keys.h"
#include "ui/screenshot.h"

#define DEFAULT_HOLD_MS 100
#define MAX_HOLD_MS     60000

static void do_quit(struct monitor_call *call)
{
    machine_quit(call->machine);
}

static void do_stop(struct monitor_call *call)
{
    machine_stop(call->machine);
}

static void do_cont(struct monitor_call *call)
{
    machine_continue(call->machine);
}

static void do_reset(struct monitor_call *call)
{
    pc_request_reset(call->machine->pc);
}

static void do_powerdown(struct monitor_call *call)
{
    pc_power_button(call->machine->pc);
}

/* ---- keys and mouse ---- */

static void do_sendkey(struct monitor_call *call)
{
    uint8_t keys[KEYS_MAX_COMBINATION];
    const char *bad;
    unsigned n = keys_parse_combination(call->arg[0].text, keys, &bad);
    int64_t hold_ms = call->arg[1].is_given ? call->arg[1].number : DEFAULT_HOLD_MS;

    if (n == 0 && bad)
        fprintf(call->out, "invalid parameter: %.*s\n", (int)strcspn(bad, "-"), bad);
    else if (n == 0)
        fprintf(call->out, "too many keys\n");
    else if (hold_ms < 0 || hold_ms > MAX_HOLD_MS)
        fprintf(call->out, "hold time must be 0 to %d ms\n", MAX_HOLD_MS);
    else if (!typist_press(call->machine->typist, keys, n, (unsigned)hold_ms))
        fprintf(call->out, "too many keys are waiting to be sent; try again later\n");
}

static int clamp_motion(int64_t distance)
{
    return distance < -32768 ? -32768 : distance > 32767 ? 32767 : (int)distance;
}

static void do_mouse_move(struct monitor_call *call)
{
    /* QEMU's wheel counts up as positive, the 8042's the other way round. */
    machine_mouse(call->machine, clamp_motion(call->arg[0].number), clamp_motion(call->arg[1].number),
                  -clamp_motion(call->arg[2].number), call->machine->mouse_buttons);
}

static void do_mouse_button(struct monitor_call *call)
{
    int64_t state = call->arg[0].number;
    uint8_t buttons = 0;

    buttons |= state & 1 ? KBC8042_BUTTON_LEFT : 0;
    buttons |= state & 2 ? KBC8042_BUTTON_MIDDLE : 0;
    buttons |= state & 4 ? KBC8042_BUTTON_RIGHT : 0;
    call->machine->mouse_buttons = buttons;
    machine_mouse(call->machine, 0, 0, 0, buttons);
}

/* ---- media ---- */

static struct machine_drive *find_drive(struct monitor_call *call, const char *name)
{
    for (unsigned i = 0; i < call->machine->n_drives; i++)
        if (strcmp(call->machine->drive[i].name, name) == 0)
            return &call->machine->drive[i];
    fprintf(call->out, "Error: Device '%s' not found\n", name);
    return NULL;
}

static void do_eject(struct monitor_call *call)
{
    struct machine_drive *drive = find_drive(call, call->arg[1].text);
    char error[300];

    if (drive && !machine_eject(call->machine, drive, call->arg[0].is_given, error, sizeof error))
        fprintf(call->out, "Error: %s\n", error);
}

static void do_change(struct monitor_call *call)
{
    struct machine_drive *drive = find_drive(call, call->arg[0].text);
    char error[1200];

    if (call->arg[2].is_given && strcmp(call->arg[2].text, "raw") != 0)
        fprintf(call->out, "Error: Unknown driver '%s'; images are raw\n", call->arg[2].text);
    else if (drive && !machine_insert(call->machine, drive, call->arg[1].text, error, sizeof error))
        fprintf(call->out, "Error: %s\n", error);
}

/* ---- screen ---- */

static void do_screendump(struct monitor_call *call)
{
    struct vga *vga = pc_parts(call->machine->pc).vga;
    const char *path = call->arg[0].text, *name = call->arg[1].text, *dot = strrchr(path, '.');
    enum screenshot_format format = SCREENSHOT_PPM;
    char error[600];

    if (!call->arg[1].is_given)
        name = dot && strcasecmp(dot, ".png") == 0 ? "png" : "ppm";
    if (strcmp(name, "png") == 0)
        format = SCREENSHOT_PNG;
    else if (strcmp(name, "ppm") != 0) {
        fprintf(call->out, "Error: invalid parameter value: %s; use ppm or png\n", name);
        return;
    }
    if (!vga)
        fprintf(call->out, "Error: there is no display card to take a screendump from\n");
    else if (!screenshot_write(vga, path, format, error, sizeof error))
        fprintf(call->out, "Error: %s\n", error);
}

/* ---- ports ---- */

static unsigned port_width(const struct monitor_call *call, FILE *out)
{
    unsigned width = call->format.width;

    if (width == 1 || width == 2 || width == 4)
        return width;
    fprintf(out, "invalid size: a port is read and written as b, h or w\n");
    return 0;
}

static char width_letter(unsigned width)
{
    return width == 1 ? 'b' : width == 2 ? 'w' : 'l';
}

static void do_in(struct monitor_call *call)
{
    struct bus *bus = pc_parts(call->machine->pc).bus;
    uint16_t port = (uint16_t)call->arg[1].number;
    unsigned width = port_width(call, call->out);

    if (!width)
        return;
    if (call->arg[2].is_given) /* an indexed pair: select, then read the register beside */
        bus_out(bus, port++, (uint8_t)call->arg[2].number, 1);
    fprintf(call->out, "port%c[0x%04x] = 0x%0*" PRIx32 "\n", width_letter(width), port, (int)(2 * width),
            bus_in(bus, port, width));
}

static void do_out(struct monitor_call *call)
{
    unsigned width = port_width(call, call->out);

    if (width)
        bus_out(pc_parts(call->machine->pc).bus, (uint16_t)call->arg[1].number, (uint32_t)call->arg[2].number, width);
}

/* ---- log ---- */

static void do_log(struct monitor_call *call)
{
    char bad[64];
    uint32_t mask = 0;

    if (strcmp(call->arg[0].text, "none") == 0)
        log_mask = 0;
    else if (log_parse_items(call->arg[0].text, &mask, bad, sizeof bad))
        log_mask = mask;
    else
        fprintf(call->out, "'%s' is not a log item; morph86 -d help lists them\n", bad);
}

static void do_logfile(struct monitor_call *call)
{
    if (!log_open(call->arg[0].text))
        fprintf(call->out, "Error: cannot write '%s': %s\n", call->arg[0].text, strerror(errno));
}

/* ---- info and help ---- */

static void print_info_topics(FILE *out)
{
    monitor_print_help(out, monitor_info_topics, "info ");
}

static void do_info(struct monitor_call *call)
{
    const struct monitor_command *row;
    const char *text = call->arg[0].text;
    char name[64];
    size_t len;

    if (!call->arg[0].is_given) {
        print_info_topics(call->out);
        return;
    }
    len = strcspn(text, " ");
    row = monitor_find(monitor_info_topics, text, len);
    if (!row) {
        fprintf(call->out, "unknown command: 'info %.*s'\n", (int)len, text);
        return;
    }
    snprintf(name, sizeof name, "info %.*s", (int)len, text);
    text += len;
    while (*text == ' ')
        text++;
    text = strdup(text); /* the call's arguments are about to be replaced */
    if (text)
        monitor_call_row(call, row, text, name);
    free((char *)text);
}

static void do_help(struct monitor_call *call)
{
    static const struct monitor_command *const tables[] = {monitor_control_commands, monitor_memory_commands};
    const char *name = call->arg[0].text;

    if (call->arg[0].is_given && strcmp(name, "info") == 0) {
        print_info_topics(call->out);
        return;
    }
    if (call->arg[0].is_given) {
        for (unsigned i = 0; i < 2; i++) {
            const struct monitor_command *row = monitor_find(tables[i], name, strlen(name));

            if (row) {
                fprintf(call->out, "%s %s -- %s\n", row->name, row->params, row->help);
                return;
            }
        }
        fprintf(call->out, "unknown command: '%s'\n", name);
        return;
    }
    for (unsigned i = 0; i < 2; i++)
        monitor_print_help(call->out, tables[i], "");
}

const struct monitor_command monitor_control_commands[] = {
    {"help|?", "s?", "[cmd]", "show the help", do_help},
    {"info", "S?", "[subcommand]", "show various information about the system state", do_info},
    {"quit|q", "", "", "leave morph86", do_quit},
    {"stop|s", "", "", "stop the processor and guest time", do_stop},
    {"cont|c", "", "", "go on after stop", do_cont},
    {"system_reset", "", "", "press the reset button", do_reset},
    {"system_powerdown", "", "", "press the power button", do_powerdown},
    {"sendkey", "sl?", "keys [hold_ms]", "press keys together, e.g. ctrl-alt-f1, and hold them (default: 100 ms)",
     do_sendkey},
    {"mouse_move", "lll?", "dx dy [dz]", "move the mouse; dz is the wheel", do_mouse_move},
    {"mouse_button", "l", "state", "hold exactly these mouse buttons: 1 left, 2 middle, 4 right", do_mouse_button},
    {"screendump", "F-fs", "filename [-f format]", "save the screen as ppm (default) or png", do_screendump},
    {"eject", "-fbs", "[-f] device", "take out a medium", do_eject},
    {"change", "sFs?", "device filename [format]", "put in another medium", do_change},
    {"i", "/ll?", "/fmt addr [index]", "read an I/O port", do_in},
    {"o", "/ll", "/fmt addr value", "write an I/O port", do_out},
    {"log", "s", "item1[,...]", "log these; none ends it", do_log},
    {"logfile", "F", "filename", "log to this file", do_logfile},
    {NULL, NULL, NULL, NULL, NULL},
};
