using System.Globalization;
using System.Text;
using Vmm.Machine.Images;

namespace Vmm.Machine.Tests.Images;

public sealed class CpioArchiveTests
{
    [Fact]
    public void Entries_have_the_newc_header_and_stand_on_four_byte_boundaries()
    {
        List<(string Name, int Mode, int Device, byte[] Content)> entries = Read(archive =>
        {
            archive.AddDirectory("bin");
            archive.AddFile("bin/tool", "12345"u8, executable: true);
            archive.AddLink("bin/sh", "tool");
            archive.AddCharacterDevice("console", 5, 1);
        });

        Assert.Equal(["bin", "bin/tool", "bin/sh", "console", "TRAILER!!!"], entries.Select(entry => entry.Name));
        Assert.Equal([0x41ED, 0x81ED, 0xA1FF, 0x2180, 0], entries.Select(entry => entry.Mode));
        Assert.Equal("12345"u8.ToArray(), entries[1].Content);
        Assert.Equal("tool"u8.ToArray(), entries[2].Content);
        Assert.Equal(0x0501, entries[3].Device);
    }

    [Fact]
    public void The_initial_RAM_disk_has_an_init_a_console_and_busybox()
    {
        using MemoryStream stream = new();
        LinuxInitramfs.Write(stream, "ELF"u8, [new KernelModule("virtio", "first"u8.ToArray()), new KernelModule("a_driver", "second"u8.ToArray())]);
        List<(string Name, int Mode, int Device, byte[] Content)> entries = Read(stream.ToArray());

        Assert.StartsWith("#!/bin/busybox sh", Encoding.UTF8.GetString(entries.Single(entry => entry.Name == "init").Content), StringComparison.Ordinal);
        Assert.Equal("ELF"u8.ToArray(), entries.Single(entry => entry.Name == "bin/busybox").Content);
        Assert.Contains(entries, entry => entry.Name == "dev/console");
        Assert.Equal(["first", "second"], entries.Where(entry => entry.Name.EndsWith(".ko", StringComparison.Ordinal))
            .OrderBy(entry => entry.Name, StringComparer.Ordinal).Select(entry => Encoding.UTF8.GetString(entry.Content)));
    }

    private static List<(string Name, int Mode, int Device, byte[] Content)> Read(Action<CpioArchive> write)
    {
        using MemoryStream stream = new();
        CpioArchive archive = new(stream);
        write(archive);
        archive.Finish();
        return Read(stream.ToArray());
    }

    private static List<(string Name, int Mode, int Device, byte[] Content)> Read(byte[] bytes)
    {
        List<(string, int, int, byte[])> entries = [];
        for (int at = 0; at < bytes.Length;)
        {
            int Field(int index) => int.Parse(Encoding.ASCII.GetString(bytes, at + 6 + index * 8, 8), NumberStyles.HexNumber, CultureInfo.InvariantCulture);

            Assert.Equal("070701", Encoding.ASCII.GetString(bytes, at, 6));
            int length = Field(6);
            int nameLength = Field(11);
            string name = Encoding.UTF8.GetString(bytes, at + 110, nameLength - 1);
            int content = (at + 110 + nameLength + 3) & ~3;
            entries.Add((name, Field(1), Field(9) << 8 | Field(10), bytes[content..(content + length)]));
            at = (content + length + 3) & ~3;
        }

        return entries;
    }
}
