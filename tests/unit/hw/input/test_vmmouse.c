/* The backdoor port and the pointing device behind it, as a guest's driver talks to them. */
#include "tests/unit/hw/nonsense.h"
#include "tests/unit/hw/probe.h"

#include "hw/input/kbc8042.h"
#include "hw/input/vmmouse.h"
#include "hw/input/vmport.h"

#define MAGIC   0x564d5868u
#define READ_ID 0x45414552u
#define DISABLE 0xf5u
#define REL     0x4c455252u
#define ABS     0x53424152u
#define ID      0x3442554au

enum { GET_VERSION = 10, GET_RAM_SIZE = 20, DATA = 39, STATUS = 40, COMMAND = 41 };

struct rig {
    struct vmport_registers registers; /* of the processor */
    struct vmport *port;
    struct vmmouse *mouse;
    unsigned n_sets, n_notices;
};

static void get_registers(void *opaque, struct vmport_registers *registers)
{
    *registers = ((struct rig *)opaque)->registers;
}

static void set_registers(void *opaque, const struct vmport_registers *registers)
{
    struct rig *rig = opaque;

    rig->registers = *registers;
    rig->n_sets++;
}

static void notice(void *opaque)
{
    ((struct rig *)opaque)->n_notices++;
}

static int setup(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);

    rig->port =
        vmport_create(&(struct vmport_cpu){.get = get_registers, .set = set_registers, .opaque = rig}, 0xabcd000);
    rig->mouse = vmmouse_create(rig->port, notice, rig);
    *state = rig;
    return 0;
}

static int teardown(void **state)
{
    struct rig *rig = *state;

    vmmouse_destroy(rig->mouse);
    vmport_destroy(rig->port);
    free(rig);
    return 0;
}

/* IN EAX, DX as a driver does it. */
static struct vmport_registers ask(struct rig *rig, uint16_t command, uint32_t parameter)
{
    rig->registers = (struct vmport_registers){
        .eax = MAGIC, .ebx = parameter, .ecx = command, .edx = VMPORT_PORT, .esi = 0x51515151, .edi = 0xd1d1d1d1};
    rig->registers.eax = vmport_ops.read(rig->port, 0, 4);
    return rig->registers;
}

static void enable(struct rig *rig, uint32_t mode)
{
    ask(rig, COMMAND, READ_ID);
    assert_int_equal(ask(rig, DATA, 1).eax, ID);
    ask(rig, COMMAND, mode);
}

static uint32_t n_words(struct rig *rig)
{
    uint32_t status = ask(rig, STATUS, 0).eax;

    assert_int_equal(status >> 16, 0);
    return status;
}

static void assert_packet(struct rig *rig, uint32_t buttons, uint32_t x, uint32_t y, uint32_t z)
{
    struct vmport_registers r = ask(rig, DATA, 4);

    assert_int_equal(r.eax, buttons);
    assert_int_equal(r.ebx, x);
    assert_int_equal(r.ecx, y);
    assert_int_equal(r.edx, z);
    assert_int_equal(r.esi, 0x51515151);
    assert_int_equal(r.edi, 0xd1d1d1d1);
}

/* ---- the port ---- */

static void version_and_memory_size_answer_in_registers(void **state)
{
    struct vmport_registers r = ask(*state, GET_VERSION, 0);

    assert_int_equal(r.eax, 6);
    assert_int_equal(r.ebx, MAGIC);
    assert_int_equal(r.ecx, 2);
    assert_int_equal(r.edx, VMPORT_PORT);
    r = ask(*state, GET_RAM_SIZE, 0);
    assert_int_equal(r.eax, 0xabcd000);
    assert_int_equal(r.ebx, 0x1177);
}

static void without_the_magic_nobody_answers(void **state)
{
    struct rig *rig = *state;

    rig->registers = (struct vmport_registers){.eax = MAGIC + 1, .ecx = GET_VERSION};
    assert_int_equal(vmport_ops.read(rig->port, 0, 4), UINT32_MAX);
    assert_int_equal(rig->n_sets, 0);
    assert_int_equal(rig->registers.ecx, GET_VERSION);
}

static void only_a_dword_at_the_port_itself_is_a_command(void **state)
{
    struct rig *rig = *state;

    rig->registers = (struct vmport_registers){.eax = MAGIC, .ecx = GET_VERSION};
    assert_int_equal(vmport_ops.read(rig->port, 0, 2), UINT32_MAX);
    assert_int_equal(vmport_ops.read(rig->port, 0, 1), UINT32_MAX);
    assert_int_equal(vmport_ops.read(rig->port, 2, 2), UINT32_MAX);
    vmport_ops.write(rig->port, 0, 0, 2);
    vmport_ops.write(rig->port, 1, 0, 1);
    assert_int_equal(rig->n_sets, 0);
}

static void commands_that_are_not_there_read_as_ones(void **state)
{
    struct rig *rig = *state;

    for (uint32_t command = 0; command < 0x10000; command += command < 80 ? 1 : 977) {
        if (command == GET_VERSION || command == GET_RAM_SIZE || (command >= DATA && command <= COMMAND))
            continue;
        assert_int_equal(ask(rig, (uint16_t)command, 1).eax, UINT32_MAX);
    }
    assert_int_equal(rig->n_sets, 0);
    vmport_connect(rig->port, VMPORT_COMMANDS, NULL, NULL); /* and no device can have one beyond the table */
}

static void the_command_is_the_low_half_of_ecx(void **state)
{
    struct rig *rig = *state;

    rig->registers = (struct vmport_registers){.eax = MAGIC, .ecx = 0x1230000 | GET_VERSION};
    assert_int_equal(vmport_ops.read(rig->port, 0, 4), 6);
}

static void a_write_runs_a_command_too(void **state)
{
    struct rig *rig = *state;

    rig->registers = (struct vmport_registers){.eax = MAGIC, .ecx = GET_VERSION};
    vmport_ops.write(rig->port, 0, MAGIC, 4);
    assert_int_equal(rig->registers.eax, 6);
    assert_int_equal(rig->registers.ebx, MAGIC);
}

/* ---- the mouse ---- */

static void it_is_off_until_it_is_asked_for_its_name(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(ask(rig, STATUS, 0).eax, 0xffff0000);
    ask(rig, COMMAND, ABS);
    assert_int_equal(vmmouse_mode(rig->mouse), VMMOUSE_OFF);
    vmmouse_point(rig->mouse, 1, 2, 3, 0);
    vmmouse_move(rig->mouse, 1, 2, 3, 0);
    assert_int_equal(ask(rig, STATUS, 0).eax, 0xffff0000);
    ask(rig, COMMAND, READ_ID);
    assert_int_equal(n_words(rig), 1);
    assert_int_equal(vmmouse_mode(rig->mouse), VMMOUSE_OFF);
    assert_int_equal(ask(rig, DATA, 1).eax, ID);
    assert_int_equal(n_words(rig), 0);
}

static void places_arrive_as_they_are(void **state)
{
    struct rig *rig = *state;

    enable(rig, ABS);
    assert_int_equal(vmmouse_mode(rig->mouse), VMMOUSE_ABSOLUTE);
    vmmouse_point(rig->mouse, 0x1234, 0xffff, 0, KBC8042_BUTTON_LEFT);
    vmmouse_point(rig->mouse, 0x10000, 0, -1, KBC8042_BUTTON_RIGHT | KBC8042_BUTTON_MIDDLE);
    assert_int_equal(rig->n_notices, 2);
    assert_int_equal(n_words(rig), 8);
    assert_packet(rig, 0x20, 0x1234, 0xffff, 0);
    assert_packet(rig, 0x18, 0xffff, 0, UINT32_MAX);
    assert_int_equal(n_words(rig), 0);
}

static void movement_moves_the_place(void **state)
{
    struct rig *rig = *state;

    enable(rig, ABS);
    vmmouse_point(rig->mouse, 0x8000, 0x40, 0, 0);
    vmmouse_move(rig->mouse, 2, -2, 0, 0);
    vmmouse_move(rig->mouse, INT32_MAX, 1, 0, 0);
    assert_packet(rig, 0, 0x8000, 0x40, 0);
    assert_packet(rig, 0, 0x8080, 0, 0);
    assert_packet(rig, 0, 0xffff, 0x40, 0);
}

static void distances_are_marked_and_count_upwards(void **state)
{
    struct rig *rig = *state;

    enable(rig, REL);
    assert_int_equal(vmmouse_mode(rig->mouse), VMMOUSE_RELATIVE);
    vmmouse_move(rig->mouse, 5, 7, 2, KBC8042_BUTTON_LEFT);
    vmmouse_point(rig->mouse, 5, 7, 2, 0); /* nothing: it wants no places */
    assert_int_equal(n_words(rig), 4);
    assert_packet(rig, 0x10020, 5, (uint32_t)-7, 2);
    vmmouse_move(rig->mouse, -5, -7, 0, 0);
    assert_packet(rig, 0x10000, (uint32_t)-5, 7, 0);
}

static void words_can_be_taken_in_any_number_up_to_six(void **state)
{
    struct rig *rig = *state;
    struct vmport_registers r;

    enable(rig, ABS);
    vmmouse_point(rig->mouse, 1, 2, 3, 0);
    vmmouse_point(rig->mouse, 4, 5, 6, 0);
    r = ask(rig, DATA, 6);
    assert_int_equal(r.eax, 0);
    assert_int_equal(r.ebx, 1);
    assert_int_equal(r.ecx, 2);
    assert_int_equal(r.edx, 3);
    assert_int_equal(r.esi, 0);
    assert_int_equal(r.edi, 4);
    assert_int_equal(ask(rig, DATA, 1).eax, 5);
    assert_int_equal(ask(rig, DATA, 1).eax, 6);
    assert_int_equal(n_words(rig), 0);
}

static void asking_for_more_than_there_is_is_an_error(void **state)
{
    static const uint32_t wrong[] = {0, 2, 7, UINT32_MAX};
    struct rig *rig = *state;

    for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        enable(rig, ABS);
        vmmouse_point(rig->mouse, 1, 2, 3, 0);
        ask(rig, DATA, 3);
        assert_int_equal(n_words(rig), 1);
        assert_int_equal(ask(rig, DATA, wrong[i]).eax, UINT32_MAX);
        assert_int_equal(ask(rig, STATUS, 0).eax, 0xffff0000);
        assert_int_equal(vmmouse_mode(rig->mouse), VMMOUSE_OFF);
    }
    enable(rig, REL); /* and it can be enabled again */
    assert_int_equal(n_words(rig), 0);
}

static void disabling_forgets_everything(void **state)
{
    struct rig *rig = *state;

    enable(rig, ABS);
    vmmouse_point(rig->mouse, 1, 2, 3, 0);
    ask(rig, COMMAND, DISABLE);
    assert_int_equal(vmmouse_mode(rig->mouse), VMMOUSE_OFF);
    assert_int_equal(ask(rig, STATUS, 0).eax, 0xffff0000);
    enable(rig, ABS);
    ask(rig, COMMAND, 0x12345678); /* no command: nothing */
    assert_int_equal(vmmouse_mode(rig->mouse), VMMOUSE_ABSOLUTE);
    vmmouse_point(rig->mouse, 9, 9, 0, 0);
    assert_packet(rig, 0, 9, 9, 0);
    vmmouse_reset(rig->mouse);
    assert_int_equal(ask(rig, STATUS, 0).eax, 0xffff0000);
    assert_int_equal(vmmouse_mode(rig->mouse), VMMOUSE_OFF);
}

static void a_full_queue_keeps_the_last_place_and_the_whole_distance(void **state)
{
    struct rig *rig = *state;

    enable(rig, ABS);
    for (unsigned i = 0; i < 300; i++)
        vmmouse_point(rig->mouse, i, i, i >= 256, i >= 256 ? KBC8042_BUTTON_LEFT : 0);
    assert_int_equal(n_words(rig), 1024);
    assert_int_equal(rig->n_notices, 256);
    ask(rig, COMMAND, READ_ID); /* no room for it */
    assert_int_equal(n_words(rig), 1024);
    for (unsigned i = 0; i < 256; i++)
        assert_packet(rig, 0, i, i, 0);
    assert_int_equal(rig->n_notices, 257);
    assert_packet(rig, 0x20, 299, 299, 44);
    assert_int_equal(n_words(rig), 0);

    ask(rig, COMMAND, REL);
    for (unsigned i = 0; i < 356; i++)
        vmmouse_move(rig->mouse, 1, i < 256 ? 0 : 1, 0, 0);
    vmmouse_move(rig->mouse, INT32_MAX, INT32_MIN, INT32_MAX, 0);
    for (unsigned i = 0; i < 256; i++)
        assert_packet(rig, 0x10000, 1, 0, 0);
    assert_packet(rig, 0x10000, 0x10000, 0x10000, 0x10000);
    assert_int_equal(n_words(rig), 0);
}

static void a_packet_goes_in_whole_or_not_at_all(void **state)
{
    struct rig *rig = *state;

    enable(rig, ABS);
    for (unsigned i = 0; i < 255; i++)
        vmmouse_point(rig->mouse, i, i, 0, 0);
    ask(rig, COMMAND, READ_ID); /* leaves room for three words */
    assert_int_equal(n_words(rig), 1021);
    vmmouse_point(rig->mouse, 300, 301, 2, 0);
    assert_int_equal(n_words(rig), 1021);
    for (unsigned i = 0; i < 255; i++)
        assert_packet(rig, 0, i, i, 0);
    assert_int_equal(ask(rig, DATA, 1).eax, ID);
    assert_packet(rig, 0, 300, 301, 2);
}

static void the_queue_wraps_around(void **state)
{
    struct rig *rig = *state;

    enable(rig, ABS); /* the name has taken the first place: packets lie across the end */
    for (unsigned i = 0; i < 1000; i++) {
        vmmouse_point(rig->mouse, i, i + 1, 0, 0);
        assert_packet(rig, 0, i, i + 1, 0);
    }
}

static void state_survives_a_save_in_the_middle_of_a_packet(void **state)
{
    struct rig *rig = *state;
    struct vmmouse *saved;

    enable(rig, ABS);
    vmmouse_point(rig->mouse, 0x1111, 0x2222, 3, KBC8042_BUTTON_LEFT);
    ask(rig, DATA, 2);
    saved = rig->mouse;
    rig->mouse = vmmouse_create(rig->port, notice, rig); /* takes the commands over */
    copy_state(vmmouse_state(), saved, rig->mouse);
    vmmouse_after_load(rig->mouse);
    vmmouse_destroy(saved);
    assert_int_equal(vmmouse_mode(rig->mouse), VMMOUSE_ABSOLUTE);
    assert_int_equal(ask(rig, DATA, 1).eax, 0x2222);
    assert_int_equal(ask(rig, DATA, 1).eax, 3);
    vmmouse_move(rig->mouse, 1, 0, 0, KBC8042_BUTTON_LEFT);
    assert_packet(rig, 0x20, 0x1151, 0x2222, 0);
}

static void any_saved_state_can_be_used(void **state)
{
    struct rig *rig = *state;

    for (uint32_t seed = 1; seed <= 200; seed++) {
        nonsense_load(vmmouse_state(), rig->mouse, seed);
        vmmouse_after_load(rig->mouse);
        assert_true(vmmouse_mode(rig->mouse) <= VMMOUSE_ABSOLUTE);
        vmmouse_move(rig->mouse, (int)seed, -(int)seed, 1, 1);
        vmmouse_point(rig->mouse, seed, seed, 1, 1);
        assert_true((ask(rig, STATUS, 0).eax & 0xffff) <= 1024);
        ask(rig, DATA, seed % 8);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(version_and_memory_size_answer_in_registers, setup, teardown),
        cmocka_unit_test_setup_teardown(without_the_magic_nobody_answers, setup, teardown),
        cmocka_unit_test_setup_teardown(only_a_dword_at_the_port_itself_is_a_command, setup, teardown),
        cmocka_unit_test_setup_teardown(commands_that_are_not_there_read_as_ones, setup, teardown),
        cmocka_unit_test_setup_teardown(the_command_is_the_low_half_of_ecx, setup, teardown),
        cmocka_unit_test_setup_teardown(a_write_runs_a_command_too, setup, teardown),
        cmocka_unit_test_setup_teardown(it_is_off_until_it_is_asked_for_its_name, setup, teardown),
        cmocka_unit_test_setup_teardown(places_arrive_as_they_are, setup, teardown),
        cmocka_unit_test_setup_teardown(movement_moves_the_place, setup, teardown),
        cmocka_unit_test_setup_teardown(distances_are_marked_and_count_upwards, setup, teardown),
        cmocka_unit_test_setup_teardown(words_can_be_taken_in_any_number_up_to_six, setup, teardown),
        cmocka_unit_test_setup_teardown(asking_for_more_than_there_is_is_an_error, setup, teardown),
        cmocka_unit_test_setup_teardown(disabling_forgets_everything, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_queue_keeps_the_last_place_and_the_whole_distance, setup, teardown),
        cmocka_unit_test_setup_teardown(a_packet_goes_in_whole_or_not_at_all, setup, teardown),
        cmocka_unit_test_setup_teardown(the_queue_wraps_around, setup, teardown),
        cmocka_unit_test_setup_teardown(state_survives_a_save_in_the_middle_of_a_packet, setup, teardown),
        cmocka_unit_test_setup_teardown(any_saved_state_can_be_used, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
