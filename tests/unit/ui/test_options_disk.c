/* Drives and boot order on the command line. */
#include "tests/unit/ui/cmocka_ui.h"

#include "ui/options_disk.h"

static struct disk_options o;
static char error[2000];

static int setup(void **state)
{
    disk_options_init(&o);
    error[0] = '\0';
    return 0;
}

static bool drive(const char *text)
{
    return disk_options_drive(&o, text, error, sizeof error);
}

static bool boot(const char *text)
{
    return disk_options_boot(&o, text, error, sizeof error);
}

static void expect_refusal(bool accepted, const char *word)
{
    assert_false(accepted);
    if (!strstr(error, word))
        fail_msg("'%s' does not name '%s'", error, word);
    assert_null(strchr(error, '\n'));
}

static void images_go_to_the_drives_they_are_named_for(void **state)
{
    assert_true(disk_options_file(&o, DISK_OPTION_HDA, "a", error, sizeof error));
    assert_true(disk_options_file(&o, DISK_OPTION_HDA + 3, "d", error, sizeof error));
    assert_true(disk_options_file(&o, DISK_OPTION_FDA + 1, "b", error, sizeof error));
    assert_true(disk_options_cdrom(&o, "cd", error, sizeof error));
    assert_string_equal(o.ide[0].file, "a");
    assert_false(o.ide[1].is_there);
    assert_string_equal(o.ide[2].file, "cd");
    assert_true(o.ide[2].is_cdrom && o.ide[2].is_readonly);
    assert_string_equal(o.ide[3].file, "d");
    assert_false(o.ide[3].is_cdrom || o.ide[3].is_readonly);
    assert_false(o.floppy[0].is_there);
    assert_string_equal(o.floppy[1].file, "b");
}

static void each_drive_is_given_once(void **state)
{
    assert_true(disk_options_cdrom(&o, "cd", error, sizeof error));
    expect_refusal(disk_options_file(&o, DISK_OPTION_HDA + 2, "c", error, sizeof error), "secondary master (hdc)");
    assert_true(drive("file=x,if=floppy,index=1"));
    expect_refusal(disk_options_file(&o, DISK_OPTION_FDA + 1, "b", error, sizeof error), "floppy drive B");
}

static void drives_without_an_index_take_the_first_free_place(void **state)
{
    assert_true(drive("file=one"));
    assert_true(drive("file=two,if=ide,media=disk"));
    assert_true(drive("file=cd,media=cdrom"));
    assert_true(drive("media=cdrom")); /* an empty one */
    assert_string_equal(o.ide[0].file, "one");
    assert_string_equal(o.ide[1].file, "two");
    assert_string_equal(o.ide[2].file, "cd");
    assert_true(o.ide[3].is_there && o.ide[3].is_cdrom);
    assert_string_equal(o.ide[3].file, "");
    expect_refusal(drive("file=more"), "none is free");
    assert_true(drive("file=f,if=floppy"));
    assert_true(drive("if=floppy"));
    assert_string_equal(o.floppy[0].file, "f");
    assert_true(o.floppy[1].is_there);
    expect_refusal(drive("if=floppy"), "none is free");
}

static void index_bus_and_unit_name_a_place(void **state)
{
    assert_true(drive("file=a,index=3"));
    assert_true(drive("file=b,bus=1,unit=0"));
    assert_true(drive("file=c,unit=1"));
    assert_string_equal(o.ide[3].file, "a");
    assert_string_equal(o.ide[2].file, "b");
    assert_string_equal(o.ide[1].file, "c");
    expect_refusal(drive("file=d,index=4"), "'index=4'");
    expect_refusal(drive("file=d,index=-1"), "'index=-1'");
    expect_refusal(drive("file=d,bus=2"), "'bus=2'");
    expect_refusal(drive("file=d,if=floppy,index=2"), "no such place");
}

static void flags_of_a_drive_are_taken(void **state)
{
    assert_true(drive("file=a,readonly=on,format=raw,cache=writeback,id=disk0,snapshot=off"));
    assert_true(o.ide[0].is_readonly);
    assert_true(drive("file=b,readonly=off"));
    assert_false(o.ide[1].is_readonly);
    assert_true(drive("file=c,readonly"));
    assert_true(o.ide[2].is_readonly);
}

static void commas_in_file_names_are_doubled(void **state)
{
    assert_true(drive("file=a,,b=c,index=1"));
    assert_string_equal(o.ide[1].file, "a,b=c");
}

static void bad_drive_words_are_named(void **state)
{
    static char long_name[1100], text[1300];

    expect_refusal(drive("file=a,if=scsi"), "if='scsi'");
    expect_refusal(drive("file=a,media=tape"), "media='tape'");
    expect_refusal(drive("file=a,format=qcow2"), "format='qcow2'");
    expect_refusal(drive("file=a,readonly=perhaps"), "'readonly=perhaps'");
    expect_refusal(drive("file=a,colour=red"), "'colour=red'");
    expect_refusal(drive("a"), "'a='");
    expect_refusal(drive("file=a,snapshot=on"), "snapshot='on'");
    expect_refusal(drive("if=ide"), "file=IMAGE");
    expect_refusal(drive("file=a,if=floppy,media=cdrom"), "takes no CD");
    memset(long_name, 'x', sizeof long_name - 1);
    expect_refusal(disk_options_file(&o, 0, long_name, error, sizeof error), "too long");
    expect_refusal(disk_options_cdrom(&o, long_name, error, sizeof error), "too long");
    snprintf(text, sizeof text, "file=%s", long_name);
    expect_refusal(drive(text), "too long");
    snprintf(text, sizeof text,
             "file=%s,readonly=on,format=raw,media=disk,if=ide,cache=none,aio=native,id=anything-at-all,"
             "werror=stop,rerror=stop,discard=ignore",
             long_name);
    expect_refusal(drive(text), "too long");
    expect_refusal(boot(text), "too long");
    for (unsigned i = 0; i < DISK_OPTIONS_IDE; i++)
        assert_false(o.ide[i].is_there);
}

static void boot_order_is_letters_with_or_without_a_key(void **state)
{
    assert_string_equal(o.boot_order, "cad");
    assert_string_equal(o.boot_once, "");
    assert_true(boot("d"));
    assert_string_equal(o.boot_order, "d");
    assert_true(boot("order=cdn,once=a,menu=on,splash-time=5000,reboot-timeout=100,strict=on"));
    assert_string_equal(o.boot_order, "cdn");
    assert_string_equal(o.boot_once, "a");
    assert_true(o.has_boot_menu);
    assert_int_equal(o.boot_menu_ms, 5000);
    assert_int_equal(o.boot_retry_ms, 100);
    assert_true(boot("menu=off"));
    assert_false(o.has_boot_menu);
    expect_refusal(boot("x"), "'x'");
    expect_refusal(boot("order="), "'order='");
    expect_refusal(boot("order=cadn"), "'order=cadn'");
    expect_refusal(boot("once=cc"), "'once=cc'");
    expect_refusal(boot("menu=maybe"), "'menu=maybe'");
    expect_refusal(boot("splash-time=70000"), "'splash-time=70000'");
    expect_refusal(boot("reboot-timeout=soon"), "'reboot-timeout=soon'");
    expect_refusal(boot("colour=red"), "'colour=red'");
}

static void every_pc_has_an_empty_floppy_and_cd_drive(void **state)
{
    disk_options_finish(&o, false);
    assert_false(o.floppy[0].is_there || o.ide[2].is_there);
    disk_options_finish(&o, true);
    assert_true(o.floppy[0].is_there && o.ide[2].is_there && o.ide[2].is_cdrom);
    assert_string_equal(o.ide[2].file, "");
    disk_options_init(&o);
    assert_true(disk_options_file(&o, DISK_OPTION_HDA + 2, "c", error, sizeof error));
    disk_options_finish(&o, true);
    assert_false(o.ide[2].is_cdrom);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(images_go_to_the_drives_they_are_named_for),
        TEST(each_drive_is_given_once),
        TEST(drives_without_an_index_take_the_first_free_place),
        TEST(index_bus_and_unit_name_a_place),
        TEST(flags_of_a_drive_are_taken),
        TEST(commas_in_file_names_are_doubled),
        TEST(bad_drive_words_are_named),
        TEST(boot_order_is_letters_with_or_without_a_key),
        TEST(every_pc_has_an_empty_floppy_and_cd_drive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
