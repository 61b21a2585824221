using Vmm.Tests;

namespace Vmm.Kernel.Tests;

/// <summary>The container of a saved VM.</summary>
public sealed class SnapshotFileTests : IDisposable
{
    private const ulong Page = HostMemory.PageSize;

    private readonly GuestMemory _memory = new();

    public SnapshotFileTests() => _memory.AddRam("ram", 0, 64 * Page);

    public void Dispose() => _memory.Dispose();

    [Fact]
    public void Version_1_is_written_as_ever()
    {
        var writer = new StateWriter();
        writer.UInt8(1, 0x2A);
        writer.Bytes(2, [0xAA, 0xBB]);
        _memory.TryWrite(0x2000, [0]);
        var dirty = new Dictionary<ulong, ulong[]> { [0] = [1UL << 2 | 1UL << 3] };
        using MemoryStream file = new();
        SnapshotWriter.Write(
            file, new Guid([.. Enumerable.Range(0x10, 16).Select(n => (byte)n)]), [new StateSection("device/led", "led-panel", "acme.led", 3, writer.ToArray())],
            _memory, new SnapshotBase(new Guid([.. Enumerable.Range(0x30, 16).Select(n => (byte)n)]), dirty));
        Assert.Equal(Convert.ToHexStringLower(Golden()), Convert.ToHexStringLower(file.ToArray()));
    }

    [Fact]
    public void Version_1_is_read_as_ever()
    {
        using SnapshotReader reader = new(new MemoryStream(Golden()), "golden");
        Assert.Equal((1, true), (reader.ContainerVersion, reader.HasMemory));
        StateSection section = Assert.Single(reader.ReadSections());
        Assert.Equal(("device/led", "led-panel", "acme.led", 3), (section.Path, section.Schema, section.Plugin, section.Version));
        var fields = new StateReader(section.Content, section.Version, section.Path);
        var bytes = new byte[2];
        Assert.True(fields.Bytes(2, bytes));
        Assert.Equal((0x2A, 0xAA, 0xBB), (fields.UInt8(1), bytes[0], bytes[1]));
        _memory.TryWrite(0x2FF0, [1, 2, 3, 4]);
        reader.ReadMemory(_memory);
        Assert.Equal(0u, ReadWord(0x2FF0));
    }

    [Fact]
    public void Every_flipped_bit_is_noticed()
    {
        byte[] golden = Golden();
        for (int bit = 0; bit < golden.Length * 8; bit++)
        {
            byte[] damaged = [.. golden];
            damaged[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.Throws<StateException>(() => ReadAll(damaged));
        }
    }

    [Fact]
    public void Every_cut_is_noticed()
    {
        byte[] golden = Golden();
        for (int length = 0; length < golden.Length; length++)
        {
            Assert.Throws<StateException>(() => ReadAll(golden[..length]));
        }

        Assert.Throws<StateException>(() => ReadAll([.. golden, 0]));
    }

    [Fact]
    public void Another_container_version_is_named_and_the_rest_not_looked_at()
    {
        byte[] file = [.. "VMMSAVED"u8, 7, 0, 0, 0];
        var refused = Assert.Throws<StateException>(() => ReadAll(file));
        Assert.Contains("version 7, and this vmm reads version 1", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Random_bytes_never_do_more_than_be_refused()
    {
        int seed = Random.Shared.Next();
        Random random = new(seed);
        byte[] golden = Golden();
        for (int round = 0; round < 3000; round++)
        {
            byte[] damaged = [.. golden];
            for (int i = random.Next(1, 8); i > 0; i--)
            {
                damaged[random.Next(12, damaged.Length)] = (byte)random.Next(256);
            }

            // With the header's checksum right the fuzz gets further than the header.
            BitConverter.TryWriteBytes(damaged.AsSpan(SnapshotFormat.HeaderChecksumOffset), SnapshotFormat.Checksum(damaged.AsSpan(0, SnapshotFormat.HeaderChecksumOffset)));
            Exception? thrown = Record.Exception(() => ReadAll(damaged));
            Assert.True(thrown is null or StateException, $"seed {seed}, round {round}: {thrown}");
        }
    }

    [Fact]
    public void Pages_of_zeros_are_not_in_the_file_and_come_back_as_zeros()
    {
        _memory.TryWrite(5 * Page, [1]);
        _memory.TryWrite((6 * Page) + 7, [2]);
        _memory.TryWrite(60 * Page, [0]);
        byte[] file = Save(null, out _);
        Assert.InRange(file.Length, 2 * (int)Page, 3 * (int)Page);
        using GuestMemory other = new();
        other.AddRam("ram", 0, 64 * Page);
        using SnapshotReader reader = new(new MemoryStream(file), "test");
        reader.ReadMemory(other);
        var (expected, actual) = (new byte[64 * Page], new byte[64 * Page]);
        Assert.True(_memory.TryRead(0, expected) && other.TryRead(0, actual));
        Assert.True(expected.AsSpan().SequenceEqual(actual));
    }

    [Fact]
    public void An_incremental_file_has_what_was_written_since_zeros_too_and_needs_its_base()
    {
        _memory.TryWrite(Page, [1]);
        _memory.TryWrite(2 * Page, [2]);
        _ = _memory.TakeDirtyPages();
        byte[] first = Save(null, out Guid identity);
        _memory.TryWrite(2 * Page, [0]);
        _memory.TryWrite(3 * Page, [3]);
        byte[] second = Save(new SnapshotBase(identity, _memory.TakeDirtyPages()), out _);
        Assert.InRange(second.Length, (int)Page, 2 * (int)Page);

        using GuestMemory other = new();
        other.AddRam("ram", 0, 64 * Page);
        using SnapshotReader basis = new(new MemoryStream(first), "first"), delta = new(new MemoryStream(second), "second");
        Assert.Equal(basis.Identity, delta.Base);
        basis.ReadMemory(other);
        delta.ReadMemory(other);
        var bytes = new byte[4 * Page];
        other.TryRead(0, bytes);
        Assert.Equal((1, 0, 3), (bytes[Page], bytes[2 * Page], bytes[3 * Page]));
    }

    [Fact]
    public void What_a_device_has_pinned_for_writing_counts_as_written_ever_after()
    {
        Assert.True(_memory.TryPin(9 * Page, 16, GuestAccess.Write, out _));
        _ = _memory.TakeDirtyPages();
        Assert.Equal(1UL << 9, _memory.TakeDirtyPages()[0][0]);
    }

    [Fact]
    public void Memory_that_a_machine_does_not_have_is_refused()
    {
        _memory.TryWrite(63 * Page, [1]);
        byte[] file = Save(null, out _);
        using GuestMemory small = new();
        small.AddRam("ram", 0, 32 * Page);
        using SnapshotReader reader = new(new MemoryStream(file), "test");
        Assert.Contains("where this machine has none", Assert.Throws<StateException>(() => reader.ReadMemory(small)).Message, StringComparison.Ordinal);
    }

    private static byte[] Golden() =>
        Convert.FromHexString(string.Concat(File.ReadAllLines(Repository.At("tests", "Vmm.Kernel.Tests", "State", "Golden", "container-1.hex"))));

    private static void ReadAll(byte[] file)
    {
        using GuestMemory memory = new();
        memory.AddRam("ram", 0, 64 * Page);
        using SnapshotReader reader = new(new MemoryStream(file), "test");
        foreach (StateSection section in reader.ReadSections())
        {
            _ = new StateReader(section.Content, section.Version, section.Path);
        }

        reader.ReadMemory(memory);
    }

    private byte[] Save(SnapshotBase? basis, out Guid identity)
    {
        identity = Guid.NewGuid();
        using MemoryStream file = new();
        SnapshotWriter.Write(file, identity, [], _memory, basis);
        return file.ToArray();
    }

    private uint ReadWord(ulong address)
    {
        var word = new byte[4];
        Assert.True(_memory.TryRead(address, word));
        return BitConverter.ToUInt32(word);
    }
}
