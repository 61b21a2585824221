using System.Buffers.Binary;
using System.Numerics;
using System.Security.Cryptography;
using System.Text;
using Vmm.Sdk;

namespace Vmm.Plugins.Nvme;

/// <summary>The data structures of Identify (NVMe 1.4, 5.15.2). Names in comments are the specification's.</summary>
internal sealed class IdentifyData
{
    public const int Length = 4096;
    public const uint Version = 0x0001_0400;
    public const string Firmware = "1.0";
    public const uint OnlyNamespace = 1;

    private const int SerialLength = 20;
    private const byte UuidDescriptor = 3;

    private readonly Func<BlockGeometry> _geometry;
    private readonly byte[] _controller;
    private readonly byte[] _uuid;

    public IdentifyData(PciIdentity pci, string serial, Func<BlockGeometry> geometry, bool canDiscard)
    {
        if (serial.Length is 0 or > SerialLength || serial.Any(c => c is < ' ' or > '~'))
        {
            throw new ArgumentException($"The serial number '{serial}' is not 1 to {SerialLength} printable ASCII characters.");
        }

        _geometry = geometry;
        _uuid = UuidOf(serial);
        _controller = Controller(pci, serial, canDiscard);
    }

    /// <summary>CNS 01h.</summary>
    public ReadOnlySpan<byte> OfController => _controller;

    /// <summary>CNS 00h.</summary>
    public void WriteNamespace(Span<byte> data)
    {
        var geometry = _geometry();
        data.Clear();
        BinaryPrimitives.WriteUInt64LittleEndian(data, geometry.SectorCount); // NSZE
        BinaryPrimitives.WriteUInt64LittleEndian(data[8..], geometry.SectorCount); // NCAP
        BinaryPrimitives.WriteUInt64LittleEndian(data[16..], geometry.SectorCount); // NUSE
        BinaryPrimitives.WriteUInt128LittleEndian(data[48..], (UInt128)geometry.SectorCount * (uint)geometry.SectorSize); // NVMCAP
        data[99] = geometry.ReadOnly ? (byte)1 : (byte)0; // NSATTR: write protected
        data[130] = (byte)BitOperations.Log2((uint)geometry.SectorSize); // LBAF0.LBADS
    }

    /// <summary>CNS 02h: the active namespaces after <paramref name="previous"/>.</summary>
    public static void WriteNamespaceList(Span<byte> data, uint previous)
    {
        data.Clear();
        if (previous < OnlyNamespace)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(data, OnlyNamespace);
        }
    }

    /// <summary>CNS 03h: namespace identification descriptors.</summary>
    public void WriteDescriptors(Span<byte> data)
    {
        data.Clear();
        data[0] = UuidDescriptor; // NIDT
        data[1] = (byte)_uuid.Length; // NIDL
        _uuid.CopyTo(data[4..]);
    }

    private byte[] Controller(PciIdentity pci, string serial, bool canDiscard)
    {
        byte[] data = new byte[Length];
        Span<byte> span = data;
        BinaryPrimitives.WriteUInt16LittleEndian(span, pci.VendorId); // VID
        BinaryPrimitives.WriteUInt16LittleEndian(span[2..], pci.SubsystemVendorId); // SSVID
        WriteText(span.Slice(4, SerialLength), serial); // SN
        WriteText(span.Slice(24, 40), "Virtual NVMe disk"); // MN
        WriteText(span.Slice(64, 8), Firmware); // FR
        data[72] = 6; // RAB
        data[77] = QueueLimits.TransferPagesLog2; // MDTS
        BinaryPrimitives.WriteUInt32LittleEndian(span[80..], Version); // VER
        data[111] = 1; // CNTRLTYPE: I/O controller
        data[258] = 3; // ACL
        data[259] = QueueLimits.EventRequests - 1; // AERL
        data[260] = (1 << 1) | 1; // FRMW: one slot, read-only
        data[261] = 1 << 2; // LPA: extended data for Get Log Page
        data[262] = ErrorLog.Entries - 1; // ELPE
        BinaryPrimitives.WriteUInt16LittleEndian(span[266..], FeatureSet.DefaultTemperatureThreshold); // WCTEMP
        BinaryPrimitives.WriteUInt16LittleEndian(span[268..], FeatureSet.DefaultTemperatureThreshold + 30); // CCTEMP
        data[512] = (SubmissionEntryLog2 << 4) | SubmissionEntryLog2; // SQES
        data[513] = (CompletionEntryLog2 << 4) | CompletionEntryLog2; // CQES
        BinaryPrimitives.WriteUInt32LittleEndian(span[516..], OnlyNamespace); // NN
        BinaryPrimitives.WriteUInt16LittleEndian(span[520..], (ushort)((1 << 3) | (canDiscard ? 1 << 2 : 0))); // ONCS: Write Zeroes, DSM
        data[525] = (3 << 1) | 1; // VWC: present, flush of all namespaces works
        Encoding.ASCII.GetBytes($"nqn.2014-08.org.nvmexpress:uuid:{new Guid(_uuid, bigEndian: true)}", span[768..]); // SUBNQN
        BinaryPrimitives.WriteUInt16LittleEndian(span[2048..], 1000); // PSD0.MP: 10 W
        return data;
    }

    public const int SubmissionEntryLog2 = 6;

    public const int CompletionEntryLog2 = 4;

    private static void WriteText(Span<byte> field, string text)
    {
        field.Fill((byte)' ');
        Encoding.ASCII.GetBytes(text, field);
    }

    /// <summary>A UUID of version 8 (RFC 9562, 5.8): the same for the same serial number, on every start.</summary>
    private static byte[] UuidOf(string serial)
    {
        byte[] uuid = SHA256.HashData(Encoding.ASCII.GetBytes($"vmm-nvme:{serial}"))[..16];
        uuid[6] = (byte)((uuid[6] & 0x0f) | 0x80);
        uuid[8] = (byte)((uuid[8] & 0x3f) | 0x80);
        return uuid;
    }
}
